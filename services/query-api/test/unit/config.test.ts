import { parseConfig } from '@cqrs/service-kit'
import t from 'tap'
import { Config } from '../../src/config.ts'

const required = { MONGODB_READ_URI: 'mongodb://127.0.0.1/read', JWKS_FILE: 'jwks.json' }

t.test('two settings are enough to start', async (t) => {
  t.strictSame(parseConfig(Config, required), {
    HOST: '0.0.0.0',
    PORT: 8082,
    JWT_ISSUER: 'cqrs-user-service',
    JWT_AUDIENCE: 'cqrs-user-service',
    LOG_LEVEL: 'info',
    ...required,
  })
})

t.test('no setting takes a signing key or leads to the write side', async (t) => {
  t.strictSame(Object.keys(Config.properties).sort(), [
    'HOST',
    'JWKS_FILE',
    'JWT_AUDIENCE',
    'JWT_ISSUER',
    'LOG_LEVEL',
    'MONGODB_READ_URI',
    'PORT',
  ])
})

t.test('every setting is described', async (t) => {
  for (const [name, property] of Object.entries(Config.properties)) t.match(property, { description: /\w/ }, name)
})
