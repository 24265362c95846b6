import { parseConfig } from '@cqrs/service-kit'
import t from 'tap'
import { Config } from '../../src/config.ts'

const required = { MONGODB_READ_URI: 'mongodb://127.0.0.1/read', JWKS_FILE: 'jwks.json' }

t.test('only two settings are required', async (t) => {
  t.strictSame(parseConfig(Config, required), {
    HOST: '::',
    PORT: 8082,
    NATS_URL: 'nats://127.0.0.1:4222',
    LISTS_FOR: 'users',
    READ_PREFERENCE: 'primary',
    READ_YOUR_WRITES_TIMEOUT_MS: 2_000,
    CACHE_TTL_MS: 5_000,
    CACHE_MAX_MIB: 64,
    PLAINTEXT_PASSWORDS: 'refused',
    JWT_ISSUER: 'cqrs-user-service',
    JWT_AUDIENCE: 'cqrs-user-service',
    LOG_LEVEL: 'info',
    ...required,
  })
})

t.test('no setting names a signing key or the write side', async (t) => {
  t.strictSame(Object.keys(Config.properties).sort(), [
    'CACHE_MAX_MIB',
    'CACHE_TTL_MS',
    'CORS_ORIGINS',
    'HOST',
    'JWKS_FILE',
    'JWT_AUDIENCE',
    'JWT_ISSUER',
    'LISTS_FOR',
    'LOG_LEVEL',
    'METRICS_PORT',
    'MONGODB_READ_URI',
    'NATS_CA_FILE',
    'NATS_CERT_FILE',
    'NATS_CREDS_FILE',
    'NATS_KEY_FILE',
    'NATS_PASSWORD_FILE',
    'NATS_URL',
    'NATS_USER',
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    'PLAINTEXT_PASSWORDS',
    'PORT',
    'READ_PREFERENCE',
    'READ_YOUR_WRITES_TIMEOUT_MS',
    'REDIS_URL',
    'TRUSTED_PROXIES',
  ])
})

t.test('READ_YOUR_WRITES_TIMEOUT_MS is bounded', async (t) => {
  for (const wrong of ['-1', '30001', '1e3', 'abc']) {
    t.throws(() => parseConfig(Config, { ...required, READ_YOUR_WRITES_TIMEOUT_MS: wrong }), {
      message: /READ_YOUR_WRITES_TIMEOUT_MS/,
    })
  }
})

t.test('every setting has a description', async (t) => {
  for (const [name, property] of Object.entries(Config.properties)) t.match(property, { description: /\w/ }, name)
})
