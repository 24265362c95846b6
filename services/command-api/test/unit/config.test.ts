import { parseConfig } from '@cqrs/service-kit'
import t from 'tap'
import { Config } from '../../src/config.ts'

const required = { MONGODB_URI: 'mongodb://127.0.0.1/users', JWT_SIGNING_KEY_FILE: 'key.pem', JWKS_FILE: 'jwks.json' }

t.test('the settings that have no default are sufficient', async (t) => {
  t.match(parseConfig(Config, required), { ...required, PORT: 8081, REFRESH_TOKEN_IDLE_SECONDS: 604_800 })
})

for (const [what, settings] of Object.entries({
  'a database without a name': { MONGODB_URI: 'mongodb://127.0.0.1:27017' },
  'a database without a name, with options': { MONGODB_URI: 'mongodb://127.0.0.1:27017/?replicaSet=rs0' },
  'an idle time above the maximum': { REFRESH_TOKEN_IDLE_SECONDS: '7200', REFRESH_TOKEN_MAX_SECONDS: '3600' },
  'a session for ever': { REFRESH_TOKEN_MAX_SECONDS: '999999999999999' },
  'more memory for a hash than a machine has': { ARGON2_MEMORY_KIB: '99999999999' },
  'every address as a proxy': { TRUSTED_PROXIES: '10.0.0.0/8,0.0.0.0/0' },
  'every address of IPv6 as a proxy': { TRUSTED_PROXIES: '::/0' },
  'an old schema version': { EVENT_SCHEMA_VERSION: '1' },
  'a schema version that this release cannot write': { EVENT_SCHEMA_VERSION: '3' },
  'an admin without an address': { ADMIN_EMAIL: 'admin' },
})) {
  t.test(`${what} is refused by name`, async (t) => {
    const [name] = Object.keys(settings)
    t.throws(() => parseConfig(Config, { ...required, ...settings }), { message: new RegExp(`settings: ${name} `) })
  })
}

t.test('several members of a replica set are one database', async (t) => {
  const MONGODB_URI = 'mongodb://user:secret@one:27017,two:27017,three:27017/users?replicaSet=rs0'
  t.match(parseConfig(Config, { ...required, MONGODB_URI, ADMIN_EMAIL: 'chef@bücher.de' }), { MONGODB_URI })
})
