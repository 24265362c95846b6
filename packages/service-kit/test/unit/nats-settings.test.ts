import t from 'tap'
import Type from 'typebox'
import { ConfigError, linkNats, natsRules, natsSettings, parseConfig, withRules } from '../../src/index.ts'
import { captureLog } from '../fixtures/capture-log.ts'

const Config = withRules(Type.Object(natsSettings), natsRules)
const parsed = (env: NodeJS.ProcessEnv) => parseConfig(Config, env)

for (const url of [
  'nats://127.0.0.1:4222',
  'nats://nats',
  'nats://[::1]:4222',
  'tls://a.example.com:4222,tls://b.example.com:4222',
])
  t.test(`${url} is taken`, async (t) => {
    t.equal(parsed({ NATS_URL: url }).NATS_URL, url)
  })

for (const url of [
  'not a url',
  '127.0.0.1:4222',
  'nats://',
  'http://127.0.0.1:4222',
  'nats://user:secret@127.0.0.1:4222',
  'nats://token@127.0.0.1:4222',
  'nats://127.0.0.1:4222/path',
  'nats://127.0.0.1:4222?tls=true',
  'nats://a,tls://b',
  'nats://a,',
  'nats://a, nats://b',
])
  t.test(`${url} is refused, because the client would ignore a part of it`, async (t) => {
    t.throws(() => parsed({ NATS_URL: url }), {
      constructor: ConfigError,
      message: /NATS_URL must be nats:\/\/host:port/,
    })
    t.notMatch(
      messageOf(() => parsed({ NATS_URL: url })),
      'secret',
    )
  })

t.test('what belongs together, and what excludes each other, is said for all settings at once', async (t) => {
  const message = messageOf(() =>
    parsed({ NATS_USER: 'me', NATS_CREDS_FILE: 'me.creds', NATS_CERT_FILE: 'me.pem', NATS_URL: 'nats://a' }),
  )
  t.match(message, 'NATS_USER and NATS_PASSWORD_FILE belong together')
  t.match(message, 'NATS_USER and NATS_CREDS_FILE exclude each other')
  t.match(message, 'NATS_CERT_FILE and NATS_KEY_FILE belong together')
  t.match(message, 'NATS_CA_FILE and NATS_CERT_FILE need a NATS_URL with tls://')
})

t.test('a password crosses a network only under TLS, unless that is allowed', async (t) => {
  const user = { NATS_USER: 'me', NATS_PASSWORD_FILE: 'password' }
  const needsTls = { message: /the password of NATS_USER needs a NATS_URL with tls:/ }
  t.throws(() => parsed({ ...user, NATS_URL: 'nats://127.0.0.1,nats://nats.example.com' }), needsTls)
  t.ok(parsed({ ...user, NATS_URL: 'nats://nats.example.com', PLAINTEXT_PASSWORDS: 'allowed' }))
  t.ok(parsed({ ...user, NATS_URL: 'tls://nats.example.com' }))
  t.ok(parsed({ ...user, NATS_URL: 'nats://localhost:4222,nats://[::1]:4222' }))
})

t.test('files that cannot be read are named, all of them, before anything connects', async (t) => {
  const settings = parsed({
    NATS_URL: 'tls://127.0.0.1',
    NATS_USER: 'me',
    NATS_PASSWORD_FILE: '/no/password',
    NATS_CA_FILE: '/no/ca.pem',
  })
  t.throws(() => linkNats({ settings, name: 'test', logger: captureLog().logger }), {
    constructor: ConfigError,
    message: 'cannot read NATS_PASSWORD_FILE (/no/password), NATS_CA_FILE (/no/ca.pem)',
  })
})

function messageOf(action: () => unknown): string {
  try {
    action()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}
