import t from 'tap'
import Type from 'typebox'
import { exposesPassword, parseConfig, tlsSettings } from '../../src/index.ts'

for (const [url, expected] of [
  ['redis://:secret@redis.example.com', true],
  ['redis://app:secret@10.0.0.7:6379/1', true],
  ['redis://app:secret@127.0.0.1.example.com:6379', true],
  ['redis://app:secret@localhost.example.com', true],
  ['redis://app:s@localhost@redis.example.com', true],
  ['redis://app:secret@0.0.0.0:6379', true],
  ['redis://app:secret@[::]:6379', true],
  ['rediss://app:secret@redis.example.com', false],
  ['redis://redis.example.com:6379', false],
  ['redis://redis.example.com/?at=@', false],
  ['redis://app:secret@localhost', false],
  ['redis://app:secret@127.0.0.1:6379', false],
  ['redis://app:secret@127.9.9.9:6379/1', false],
  ['redis://app:secret@[::1]:6379', false],
  ['smtp://app:secret@mail.example.com', true],
  ['smtp://app@mail.example.com', true],
  ['smtps://app:secret@mail.example.com', false],
  ['nats://app:secret@127.0.0.1:4222,nats.example.com', true],
  ['nats://app:secret@127.0.0.1:4222,localhost', false],
  ['tls://app:secret@nats.example.com', false],
  ['mongodb://app:secret@db.example.com/users', false],
  ['mongodb://app:secret@db.example.com/users?authMechanism=SCRAM-SHA-256', false],
  ['mongodb://app:secret@db.example.com/users?authMechanism=PLAIN', true],
  ['mongodb://app:secret@localhost,db.example.com/users?x=1&authMechanism=PLAIN&tls=false', true],
  ['mongodb://app:secret@db.example.com/users?authMechanism=PLAIN&tls=true', false],
  ['mongodb://app:secret@db.example.com/users?ssl=true&authMechanism=PLAIN', false],
  ['mongodb+srv://app:secret@db.example.com/users?authMechanism=PLAIN', false],
  ['mongodb://app:secret@localhost:27017/users?authMechanism=PLAIN', false],
] as const) {
  t.test(`${url} ${expected ? 'exposes its password' : 'exposes no password'}`, async (t) => {
    t.equal(exposesPassword(url), expected)
  })
}

t.test('a password that is not in the URL counts as well', async (t) => {
  t.ok(exposesPassword('nats://nats.example.com', true))
  t.ok(exposesPassword('nats.example.com:4222', true))
  t.notOk(exposesPassword('tls://nats.example.com', true))
})

const Config = Type.Object({ REDIS_URL: Type.String(), SMTP_URL: Type.String(), ...tlsSettings })
const settings = { REDIS_URL: 'redis://a:secret@redis.example.com', SMTP_URL: 'smtp://a:secret@mail.example.com' }

t.test('a setting that exposes a password is named with the way out, without its value', async (t) => {
  const error = t.throws(() => parseConfig(Config, settings), { message: /PLAINTEXT_PASSWORDS=allowed/ })
  t.match(error, { message: /REDIS_URL/ })
  t.notMatch(error, { message: /SMTP_URL/ }, 'STARTTLS is required instead')
  t.notMatch(error, { message: /secret/ })
  const { REDIS_URL } = settings
  t.throws(
    () => parseConfig(Config, { REDIS_URL }),
    { message: /SMTP_URL is not set; REDIS_URL: a password needs TLS/ },
    'all at once',
  )
})

t.test('PLAINTEXT_PASSWORDS=allowed is the way out, also for a program that reads only some settings', async (t) => {
  const env = { ...settings, PLAINTEXT_PASSWORDS: 'allowed' }
  t.strictSame(parseConfig(Config, env), env)
  t.match(parseConfig(Type.Pick(Config, ['REDIS_URL']), env), { REDIS_URL: settings.REDIS_URL })
  t.throws(() => parseConfig(Config, { ...settings, PLAINTEXT_PASSWORDS: 'yes' }), { message: /PLAINTEXT_PASSWORDS/ })
})
