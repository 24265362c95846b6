import {
  type CertificateFiles,
  certificateAuthority,
  eventually,
  freePort,
  freshDatabase,
  freshRedis,
  runProgram,
  startProcess,
} from '@cqrs/local-stack/testing'
import { generateKeyFiles, mongoClient } from '@cqrs/service-kit'
import { createClient } from '@redis/client'
import t from 'tap'
import { tlsInFront } from './fixtures/tls-in-front.ts'

t.jobs = 4

const { jwksFile } = await generateKeyFiles(t.testdir())
const port = await freePort()
const away = {
  MONGODB_READ_URI: `mongodb://127.0.0.1:${port}/read`,
  NATS_URL: `nats://127.0.0.1:${port}`,
  JWKS_FILE: jwksFile,
}
const [ca, other] = [await certificateAuthority(t), await certificateAuthority(t)]

t.test('Redis: a private CA is known by NODE_EXTRA_CA_CERTS; without it the reason is reported', async (t) => {
  const tlsPort = await freePort()
  const { certFile, keyFile } = await ca.server()
  const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', ca.caFile]
  const redis = await freshRedis(t, ['--tls-port', String(tlsPort), '--tls-auth-clients', 'no', ...files])
  const admin = createClient({ url: redis.url })
  await admin.connect()
  await admin.sendCommand(['ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all'])
  admin.destroy()

  const settings = { ...away, REDIS_URL: `rediss://app:secret@localhost:${tlsPort}` }
  const [known, unknown] = await Promise.all([
    startProcess(t, 'query-api', { ...settings, NODE_EXTRA_CA_CERTS: ca.caFile }),
    startProcess(t, 'query-api', { ...settings, NODE_EXTRA_CA_CERTS: other.caFile }),
  ])
  await eventually(async () => (await known.get('/readyz')).body.checks.redis === 'up')
  const reason = 'Redis is unavailable: SELF_SIGNED_CERT_IN_CHAIN'
  await eventually(async () => (await unknown.get('/readyz')).body.reasons?.includes(reason) ?? false)
  t.match(
    unknown.logs.filter(({ msg }) => /^Redis/.test(msg)),
    [{ level: 'warn', err: { code: 'SELF_SIGNED_CERT_IN_CHAIN' } }],
  )
  t.notMatch([...known.lines, ...unknown.lines].join(), 'secret')
})

t.test('a password of Redis without TLS is refused at start', async (t) => {
  const REDIS_URL = 'redis://app:secret@redis.example.com'
  const { code, output } = await runProgram('query-api', 'main.js', [], { ...away, REDIS_URL })
  t.equal(code, 1)
  t.match(output, /^invalid settings: REDIS_URL[^\n]+PLAINTEXT_PASSWORDS=allowed\n$/)
  t.notMatch(output, 'secret')
})

t.test('MongoDB: a private CA by tlsCAFile, and SCRAM under TLS', async (t) => {
  const { uri, db } = await freshDatabase(t)
  await db.collection('things').insertOne({ value: 1 })
  const front = await tlsInFront(t, { uri, certificate: await ca.server() })
  const client = mongoClient(front.uri({ tlsCAFile: ca.caFile }), 'test')
  t.teardown(() => client.close())
  t.equal(await client.db().collection('things').countDocuments(), 1)
})

t.test('MongoDB: an unknown CA and an expired certificate are reported, in /readyz and the log', async (t) => {
  const { uri } = await freshDatabase(t)
  const isReported = async (certificate: CertificateFiles, code: string) => {
    const front = await tlsInFront(t, { uri, certificate })
    const MONGODB_READ_URI = front.uri({ tlsCAFile: ca.caFile })
    const { get, lines, logs, terminate } = await startProcess(t, 'query-api', { ...away, MONGODB_READ_URI })
    await eventually(async () => {
      const { checks, reasons } = (await get('/readyz')).body
      return checks.mongodb === 'down' && reasons?.includes(`MongoDB is unavailable: ${code}`)
    })
    await eventually(() =>
      logs.some(({ msg, err }) => msg === 'MongoDB is unavailable' && JSON.stringify(err).includes(code)),
    )
    t.notMatch(lines.join(), new URL(uri).password)
    await terminate()
  }
  await Promise.all([
    isReported(await other.server(), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
    isReported(await ca.server({ isExpired: true }), 'CERT_HAS_EXPIRED'),
  ])
})

t.test('MongoDB: a client certificate is presented, and the server decides', async (t) => {
  const { uri } = await freshDatabase(t)
  const front = await tlsInFront(t, { uri, certificate: await ca.server(), clientCaFile: ca.caFile })
  const withCertificate = async (from: typeof ca, more: Record<string, string> = {}) => {
    const { bothFile } = await from.client('query-api')
    const uri = new URL(front.uri({ tlsCAFile: ca.caFile, tlsCertificateKeyFile: bothFile, ...more }))
    if (more.authMechanism) uri.username = uri.password = ''
    const client = mongoClient(uri.href, 'test')
    t.teardown(() => client.close())
    return client.db().command({ ping: 1 })
  }
  await withCertificate(ca)
  t.equal(front.clients.at(-1), 'query-api')
  await t.rejects(withCertificate(other), { name: 'MongoServerSelectionError' })
  // This server sees no TLS, so it refuses the certificate as a login (AuthenticationFailed).
  const x509 = { authMechanism: 'MONGODB-X509', authSource: '$external' }
  await t.rejects(withCertificate(ca, x509), { code: 18 })
})

t.test('a file of the MongoDB URI that does not exist is named at start', async (t) => {
  const files = 'tlsCAFile=/nowhere/ca.pem&tlsCertificateKeyFile=/nowhere/client.pem'
  const MONGODB_READ_URI = `mongodb://app:secret@127.0.0.1:${port}/read?tls=true&${files}`
  const { code, output } = await runProgram('query-api', 'main.js', [], { ...away, MONGODB_READ_URI })
  t.equal(code, 1)
  t.equal(output, 'invalid settings: MONGODB_READ_URI has a tlsCAFile that does not exist\n')
})
