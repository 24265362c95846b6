import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { generate } from 'selfsigned'
import { freshDirectory } from './fresh-directory.ts'
import type { Teardown } from './teardown.ts'

/** The PEM files of one certificate. */
export type CertificateFiles = {
  certFile: string
  keyFile: string
  /** Certificate and key in one file, as MongoDB reads them. */
  bothFile: string
}

export type CertificateAuthority = {
  /** The certificate of the CA, in PEM. */
  caFile: string
  /** Makes a certificate of a server at `localhost`, `127.0.0.1` and `::1`, or of one that expired yesterday. */
  server: (options?: { isExpired?: boolean }) => Promise<CertificateFiles>
  /** Makes a client certificate with the subject `CN=name`. */
  client: (name: string) => Promise<CertificateFiles>
}

/**
 * A private CA for this test only: what another one has signed is a certificate of an unknown CA. Every key is EC
 * P-256. The files are removed when the test ends.
 */
export async function certificateAuthority(t: Teardown): Promise<CertificateAuthority> {
  // Loaded here because most tests have no certificates.
  const { generate } = await import('selfsigned')
  const directory = await freshDirectory(t)
  // With a name that another CA has as well, certificates of the other one would only have a bad signature.
  const ca = await generate(named(`Test CA ${randomBytes(4).toString('hex')}`), {
    ...ecKey,
    ...validFrom(-dayMs),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  const caFile = join(directory, 'ca.pem')
  await writeFile(caFile, ca.cert)

  let count = 0
  const certificate = async (name: string, extension: Extension, startMs: number): Promise<CertificateFiles> => {
    const { cert, private: key } = await generate(named(name), {
      ...ecKey,
      ...validFrom(startMs),
      extensions: [{ name: 'keyUsage', digitalSignature: true, critical: true }, ...extension],
      ca: { key: ca.private, cert: ca.cert },
    })
    const path = join(directory, `${++count}-${name}`)
    const files = { certFile: `${path}.pem`, keyFile: `${path}.key`, bothFile: `${path}-both.pem` }
    await writeFile(files.certFile, cert)
    await writeFile(files.keyFile, key, { mode: 0o600 })
    await writeFile(files.bothFile, `${cert}\n${key}`, { mode: 0o600 })
    return files
  }
  return {
    caFile,
    server: ({ isExpired = false } = {}) => certificate('localhost', ofServer, isExpired ? -3 * dayMs : -dayMs),
    client: (name) => certificate(name, ofClient, -dayMs),
  }
}

type Extension = NonNullable<NonNullable<Parameters<typeof generate>[1]>['extensions']>

const dayMs = 86_400_000
const ecKey = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const
const named = (value: string) => [{ name: 'commonName', value }]

/** Valid for two days. */
const validFrom = (startMs: number) => ({
  notBeforeDate: new Date(Date.now() + startMs),
  notAfterDate: new Date(Date.now() + startMs + 2 * dayMs),
})

const ofServer: Extension = [
  { name: 'extKeyUsage', serverAuth: true },
  {
    name: 'subjectAltName',
    altNames: [
      { type: 2, value: 'localhost' },
      { type: 7, ip: '127.0.0.1' },
      { type: 7, ip: '::1' },
    ],
  },
]
const ofClient: Extension = [{ name: 'extKeyUsage', clientAuth: true }]
