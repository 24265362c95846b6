import { httpSettings, logLevels, metricsSettings } from '@cqrs/service-kit'
import Type, { type Static } from 'typebox'

/**
 * Every setting of query-api: an environment variable each, checked when the process starts. There is none for a
 * signing key: this service can verify a token, never make one.
 */
export const Config = Type.Object({
  HOST: Type.String({ default: '0.0.0.0', description: 'Address to listen on' }),
  PORT: Type.Integer({ default: 8082, minimum: 0, maximum: 65535, description: 'Port to listen on' }),
  ...metricsSettings,
  ...httpSettings,
  MONGODB_READ_URI: Type.String({
    pattern: '^mongodb(\\+srv)?://',
    description: 'Read database, with its name in the path; a user with the role `read` is enough',
  }),
  READ_PREFERENCE: Type.Enum(['primary', 'secondaryPreferred'], {
    default: 'primary',
    description:
      'Which members of the read database answer. With `secondaryPreferred` answers can lag behind; `X-Min-Version` holds all the same',
  }),
  NATS_URL: Type.String({ default: 'nats://127.0.0.1:4222', description: 'NATS server' }),
  READ_YOUR_WRITES_TIMEOUT_MS: Type.Integer({
    default: 2_000,
    minimum: 0,
    maximum: 30_000,
    description: 'How long a query with `X-Min-Version` waits for that version at most',
  }),
  CACHE_TTL_MS: Type.Integer({
    default: 5_000,
    minimum: 0,
    maximum: 600_000,
    description: 'How old a cached user gets at most where no notice drops it before; 0 caches nothing',
  }),
  CACHE_MAX_MIB: Type.Integer({
    default: 64,
    minimum: 1,
    maximum: 4_096,
    description: 'Memory that cached users take at most',
  }),
  REDIS_URL: Type.Optional(
    Type.String({
      pattern: '^rediss?://',
      description: 'Redis or Valkey, in which all processes share cached users; by default each has only its own',
    }),
  ),
  JWKS_FILE: Type.String({ description: 'JSON file with the public keys that verify access tokens' }),
  JWT_ISSUER: Type.String({ default: 'cqrs-user-service', description: 'Issuer (`iss`) of access tokens' }),
  JWT_AUDIENCE: Type.String({ default: 'cqrs-user-service', description: 'Audience (`aud`) of access tokens' }),
  LOG_LEVEL: Type.Enum([...logLevels], { default: 'info', description: 'Least level that is logged' }),
})
export type Config = Static<typeof Config>
