import { httpSettings, mongodbUri, natsRules, natsSettings, telemetrySettings, withRules } from '@cqrs/service-kit'
import Type, { type Static } from 'typebox'

/**
 * Every setting of query-api. Each is an environment variable and is checked when the process starts. No setting names
 * a signing key: this service verifies tokens and cannot make one.
 */
const Settings = Type.Object({
  HOST: Type.String({ default: '::', description: 'Address to listen on; `::` is every address of IPv6 and IPv4' }),
  PORT: Type.Integer({ default: 8082, minimum: 0, maximum: 65535, description: 'Port to listen on' }),
  ...httpSettings,
  MONGODB_READ_URI: mongodbUri('Read database, with its name in the path; a user with the role `read` is sufficient'),
  LISTS_FOR: Type.Enum(['users', 'admins'], {
    default: 'users',
    description: 'Who may list and search users: everyone who is logged in, or admins only',
  }),
  READ_PREFERENCE: Type.Enum(['primary', 'secondaryPreferred'], {
    default: 'primary',
    description:
      'Members of the read database that answer. `secondaryPreferred` may return older data, not with a token',
  }),
  ...natsSettings,
  READ_YOUR_WRITES_TIMEOUT_MS: Type.Integer({
    default: 2_000,
    minimum: 0,
    maximum: 30_000,
    description: 'Maximum time that a query with `Consistency-Token` or `X-Min-Version` waits for what they name',
  }),
  CACHE_TTL_MS: Type.Integer({
    default: 5_000,
    minimum: 0,
    maximum: 600_000,
    description: 'Maximum age of a cached user that no notice has dropped; 0 disables the cache',
  }),
  CACHE_MAX_MIB: Type.Integer({
    default: 64,
    minimum: 1,
    maximum: 4_096,
    description: 'Maximum memory for cached users',
  }),
  REDIS_URL: Type.Optional(
    Type.String({
      pattern: '^rediss?://',
      description:
        'Redis or Valkey server that caches users for all processes; by default each process has only its own cache',
    }),
  ),
  JWKS_FILE: Type.String({ description: 'JSON file with the public keys that verify access tokens' }),
  JWT_ISSUER: Type.String({ default: 'cqrs-user-service', description: 'Issuer (`iss`) of access tokens' }),
  JWT_AUDIENCE: Type.String({ default: 'cqrs-user-service', description: 'Audience (`aud`) of access tokens' }),
  ...telemetrySettings,
})
export const Config = withRules(Settings, natsRules)
export type Config = Static<typeof Config>
