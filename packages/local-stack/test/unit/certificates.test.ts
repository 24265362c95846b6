import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { type CertificateFiles, certificateAuthority } from '../../src/testing/certificates.ts'

t.test('what the CA has signed is accepted, at each name; another CA and an expired certificate are not', async (t) => {
  const [ca, other] = [await certificateAuthority(t), await certificateAuthority(t)]
  const server = await listen(t, await ca.server(), ca.caFile)
  for (const host of ['127.0.0.1', 'localhost']) {
    t.equal(await server.reach(host, ca.caFile), 'accepted')
    t.equal(await server.reach(host, other.caFile), 'SELF_SIGNED_CERT_IN_CHAIN')
  }
  const expired = await listen(t, await ca.server({ isExpired: true }), ca.caFile)
  t.equal(await expired.reach('127.0.0.1', ca.caFile), 'CERT_HAS_EXPIRED')
})

t.test('a client certificate has the name it was made for', async (t) => {
  const [ca, other] = [await certificateAuthority(t), await certificateAuthority(t)]
  const server = await listen(t, await ca.server(), ca.caFile)
  for (const [from, isKnown] of [[ca, true] as const, [other, false] as const]) {
    await server.reach('127.0.0.1', ca.caFile, await from.client('projector'))
    t.match(server.clients.pop(), { isKnown, name: 'projector' })
  }
})

/** A TLS server on every address, which asks for a client certificate of this CA. */
async function listen(t: Test, { bothFile }: CertificateFiles, caFile: string) {
  const pem = await readFile(bothFile)
  const clients: { isKnown: boolean; name: string }[] = []
  const options = { cert: pem, key: pem, ca: await readFile(caFile), requestCert: true, rejectUnauthorized: false }
  const server = createServer(options, (socket: TLSSocket) => {
    clients.push({ isKnown: socket.authorized, name: String(socket.getPeerCertificate().subject?.CN) })
    socket.on('error', () => {}).end('.')
  })
  await once(server.listen(0), 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return {
    /** What the server has learned of each client. */
    clients,
    /** Connects and reads to the end. @returns `accepted`, or the code of the error */
    async reach(host: string, caFile: string, own?: CertificateFiles): Promise<string> {
      const client = own && { cert: await readFile(own.certFile), key: await readFile(own.keyFile) }
      const socket = connect({ host, port, ca: await readFile(caFile), ...client })
      try {
        for await (const _ of socket);
        return 'accepted'
      } catch (error) {
        return String((error as { code?: string }).code)
      }
    },
  }
}
