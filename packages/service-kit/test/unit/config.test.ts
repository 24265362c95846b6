import t from 'tap'
import Type from 'typebox'
import { ConfigError, parseConfig } from '../../src/index.ts'

const Config = Type.Object({
  HOST: Type.String({ default: '0.0.0.0' }),
  PORT: Type.Integer({ default: 80, minimum: 0, maximum: 65535 }),
  DATABASE_URI: Type.String({ pattern: '^mongodb://' }),
  KEY_FILE: Type.String(),
  LEVEL: Type.Enum(['info', 'debug'], { default: 'info' }),
  ADMIN_EMAIL: Type.Optional(Type.String()),
})
const required = { DATABASE_URI: 'mongodb://host/name', KEY_FILE: 'key.pem' }
const defaults = { HOST: '0.0.0.0', PORT: 80, LEVEL: 'info' }

t.test('an absent setting has its default', async (t) => {
  t.strictSame(parseConfig(Config, required), { ...defaults, ...required })
})

t.test('a given setting replaces the default, and integers are numbers', async (t) => {
  const env = { ...required, HOST: '::1', PORT: '8080', LEVEL: 'debug', ADMIN_EMAIL: 'a@example.com' }
  t.strictSame(parseConfig(Config, env), { ...env, PORT: 8080 })
})

t.test('a text that looks like a number stays a text', async (t) => {
  t.equal(parseConfig(Config, { ...required, KEY_FILE: '007' }).KEY_FILE, '007')
})

t.test('an empty variable counts as absent', async (t) => {
  t.strictSame(parseConfig(Config, { ...required, PORT: '', LEVEL: '', ADMIN_EMAIL: '' }), { ...defaults, ...required })
  t.throws(() => parseConfig(Config, { ...required, KEY_FILE: '' }), { message: /KEY_FILE is not set/ })
})

t.test('other environment variables are ignored', async (t) => {
  t.notOk('PATH' in parseConfig(Config, { ...required, PATH: '/bin' }))
})

for (const port of [
  '80abc',
  'abc',
  '0x10',
  '0b1',
  '1e3',
  '80.5',
  '80.0',
  ' 80',
  '80 ',
  '+80',
  '080',
  '-0',
  '1_000',
  'true',
  'null',
  'NaN',
  'Infinity',
  '٨٠',
  '-1',
  '65536',
  '99999999999999999999',
]) {
  t.test(`${JSON.stringify(port)} is not a port`, async (t) => {
    const error = t.throws(() => parseConfig(Config, { ...required, PORT: port })) as unknown as Error
    t.type(error, ConfigError)
    t.match(error.message, /^invalid settings: PORT [^;]*$/)
  })
}

t.test('all invalid settings are reported together, on one line, without their values', async (t) => {
  const env = { PORT: 'secret1', DATABASE_URI: 'secret2', LEVEL: 'secret3' }
  const { message } = t.throws(() => parseConfig(Config, env)) as unknown as Error
  for (const name of ['PORT', 'DATABASE_URI', 'KEY_FILE is not set', 'LEVEL']) t.match(message, name)
  t.notMatch(message, /secret|\n/)
})
