import { logLevels } from '@cqrs/service-kit'
import Type, { type Static } from 'typebox'

/**
 * Every setting of query-api: an environment variable each, checked when the process starts. There is none for a
 * signing key: this service can verify a token, never make one.
 */
export const Config = Type.Object({
  HOST: Type.String({ default: '0.0.0.0', description: 'Address to listen on' }),
  PORT: Type.Integer({ default: 8082, minimum: 0, maximum: 65535, description: 'Port to listen on' }),
  MONGODB_READ_URI: Type.String({
    pattern: '^mongodb(\\+srv)?://',
    description: 'Read database, with its name in the path; a user with the role `read` is enough',
  }),
  JWKS_FILE: Type.String({ description: 'JSON file with the public keys that verify access tokens' }),
  JWT_ISSUER: Type.String({ default: 'cqrs-user-service', description: 'Issuer (`iss`) of access tokens' }),
  JWT_AUDIENCE: Type.String({ default: 'cqrs-user-service', description: 'Audience (`aud`) of access tokens' }),
  LOG_LEVEL: Type.Enum([...logLevels], { default: 'info', description: 'Least level that is logged' }),
})
export type Config = Static<typeof Config>
