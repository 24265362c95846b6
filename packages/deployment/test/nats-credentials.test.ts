import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startNats } from '@cqrs/local-stack'
import { certificateAuthority, eventually, freePort, freshDirectory } from '@cqrs/local-stack/testing'
import { createLogger, linkNats, type NatsSettings } from '@cqrs/service-kit'
import { nkeys } from '@nats-io/transport-node'
import t, { type Test } from 'tap'

const directory = await freshDirectory(t)
const ca = await certificateAuthority(t)
const otherCa = await certificateAuthority(t)

async function serverWith(t: Test, configuration: string) {
  const dataDir = await freshDirectory(t)
  const server = await startNats({ dataDir, logDir: dataDir, port: await freePort(), configuration })
  t.teardown(() => server.server.stop())
  return server
}

async function tlsServer(t: Test, { certFile, keyFile }: { certFile: string; keyFile: string }, more = '') {
  const files = `cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${ca.caFile}"`
  const nats = await serverWith(t, `tls { ${files} ${more} }\n`)
  return { ...nats, url: nats.url.replace('nats:', 'tls:') }
}

/** A started link that is closed when the test ends. */
function linkTo(t: Test, settings: NatsSettings) {
  const link = linkNats({ settings, name: 'test', logger: createLogger('test', 'silent') })
  link.start()
  t.teardown(() => link.close())
  return { link, isUp: () => eventually(() => link.connection() !== undefined) }
}

/** Waits until the link says why it is down. */
const reason = (t: Test, settings: NatsSettings) => {
  const { link } = linkTo(t, settings)
  return eventually(() => (link.problems()[0] !== 'NATS is unavailable' ? link.problems()[0] : false))
}

t.test('a password is read from its file, again for each connection', async (t) => {
  const users = (password: string) => `authorization { user: "me", password: "${password}" }\n`
  const nats = await serverWith(t, users('first'))
  const NATS_PASSWORD_FILE = join(directory, 'password')
  await writeFile(NATS_PASSWORD_FILE, 'first\n')
  const { link, isUp } = linkTo(t, { NATS_URL: nats.url, NATS_USER: 'me', NATS_PASSWORD_FILE })
  await isUp()

  await nats.reconfigure(users('second'))
  await eventually(() => link.problems()[0] === 'NATS refuses this client: Authorization Violation')
  await writeFile(NATS_PASSWORD_FILE, 'second\n')
  await isUp()
  t.strictSame(link.problems(), [])
})

t.test('a credentials file signs what the server asks', async (t) => {
  const pair = nkeys.createUser()
  const nats = await serverWith(t, `authorization { users: [{ nkey: "${pair.getPublicKey()}" }] }\n`)
  const file = join(directory, 'user.creds')
  const seed = new TextDecoder().decode(pair.getSeed())
  // This server knows the key and reads no JWT.
  await writeFile(
    file,
    `-----BEGIN NATS USER JWT-----\nx.y.z\n------END NATS USER JWT------\n
-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
  )
  await linkTo(t, { NATS_URL: nats.url, NATS_CREDS_FILE: file }).isUp()
  t.equal(await reason(t, { NATS_URL: nats.url }), 'NATS refuses this client: Authorization Violation')
})

t.test('TLS with a private CA', async (t) => {
  const nats = await tlsServer(t, await ca.server())
  await linkTo(t, { NATS_URL: nats.url, NATS_CA_FILE: ca.caFile }).isUp()
  await linkTo(t, { NATS_URL: nats.url.replace('127.0.0.1', 'localhost'), NATS_CA_FILE: ca.caFile }).isUp()
  const unknown = 'TLS with NATS fails: UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  t.equal(await reason(t, { NATS_URL: nats.url, NATS_CA_FILE: otherCa.caFile }), unknown)
  t.equal(await reason(t, { NATS_URL: nats.url }), unknown)
  t.equal(await reason(t, { NATS_URL: nats.url.replace('tls:', 'nats:') }), unknown, 'the server requires TLS')
})

t.test('TLS with a certificate that has expired, and with a server that has none', async (t) => {
  const expired = await tlsServer(t, await ca.server({ isExpired: true }))
  const plain = await serverWith(t, '')
  const NATS_CA_FILE = ca.caFile
  t.equal(await reason(t, { NATS_URL: expired.url, NATS_CA_FILE }), 'TLS with NATS fails: CERT_HAS_EXPIRED')
  const none = 'TLS with NATS fails: the server has none'
  t.equal(await reason(t, { NATS_URL: plain.url.replace('nats:', 'tls:'), NATS_CA_FILE }), none)
})

t.test('a server that asks for a client certificate', async (t) => {
  const nats = await tlsServer(t, await ca.server(), ', verify: true')
  const trusting = { NATS_URL: nats.url, NATS_CA_FILE: ca.caFile }
  const files = ({ certFile, keyFile }: { certFile: string; keyFile: string }) => ({
    ...trusting,
    NATS_CERT_FILE: certFile,
    NATS_KEY_FILE: keyFile,
  })
  await linkTo(t, files(await ca.client('command-api'))).isUp()
  // TLS 1.3 refuses after the handshake, which the client takes for a server that does not answer.
  for (const [settings, said] of [
    [trusting, "client didn't provide a certificate"],
    [files(await otherCa.client('command-api')), 'certificate signed by unknown authority'],
  ] as const) {
    const { link } = linkTo(t, settings)
    await eventually(async () => (await nats.log()).includes(said))
    t.equal(link.connection(), undefined)
    t.strictSame(link.problems(), ['NATS is unavailable'])
  }
})
