import { isMailbox, maxAccessTokenLifetimeSeconds, normaliseEmail } from '@cqrs/contracts'
import {
  httpSettings,
  mongodbUri,
  natsRules,
  natsSettings,
  streamSettings,
  telemetrySettings,
  withRules,
} from '@cqrs/service-kit'
import Type, { type Static } from 'typebox'

const yearSeconds = 31_536_000
const fromOneAddress = 'per minute from one address (IPv6: one /64), failed ones included'

const Settings = Type.Object({
  HOST: Type.String({ default: '::', description: 'Address to listen on; `::` is every address of IPv6 and IPv4' }),
  PORT: Type.Integer({ default: 8081, minimum: 0, maximum: 65535, description: 'Port to listen on' }),
  ...httpSettings,
  MONGODB_URI: mongodbUri('URI of the write database, with its name in the path'),
  ...natsSettings,
  ...streamSettings,
  EVENT_SCHEMA_VERSION: Type.Enum(['2'], {
    default: '2',
    description: 'Schema version of new events; raise it when no projector of an earlier release runs any more',
  }),
  JWT_SIGNING_KEY_FILE: Type.String({ description: 'PEM file with the private EC P-256 key that signs access tokens' }),
  JWKS_FILE: Type.String({ description: 'JSON file (JWKS) with the public keys that verify access tokens' }),
  JWT_ISSUER: Type.String({ default: 'cqrs-user-service', description: 'Issuer (`iss`) of access tokens' }),
  JWT_AUDIENCE: Type.String({ default: 'cqrs-user-service', description: 'Audience (`aud`) of access tokens' }),
  ACCESS_TOKEN_TTL_SECONDS: Type.Integer({
    default: 900,
    minimum: 60,
    maximum: maxAccessTokenLifetimeSeconds,
    description: 'Lifetime of an access token',
  }),
  REFRESH_TOKEN_IDLE_SECONDS: Type.Integer({
    default: 604_800,
    minimum: 60,
    maximum: yearSeconds,
    description: 'Session idle timeout (default: one week)',
  }),
  REFRESH_TOKEN_MAX_SECONDS: Type.Integer({
    default: 2_592_000,
    minimum: 60,
    maximum: yearSeconds,
    description: 'Maximum lifetime of a session (default: 30 days, as in NIST SP 800-63B, 2.1.3)',
  }),
  ARGON2_MEMORY_KIB: Type.Integer({
    default: 19_456,
    minimum: 19_456,
    maximum: 2 ** 20,
    description: 'argon2id memory for one hash; the minimum is what OWASP recommends',
  }),
  ARGON2_ITERATIONS: Type.Integer({ default: 2, minimum: 2, maximum: 100, description: 'argon2id iterations' }),
  PASSWORD_DENY_COMMON: Type.Enum(['on', 'off'], {
    default: 'on',
    description: 'Rejects new passwords that are common, or mostly the e-mail address, the name or the service',
  }),
  RATE_LIMIT_REGISTER: perMinute(10, `Registrations ${fromOneAddress}`),
  RATE_LIMIT_LOGIN: perMinute(30, `Logins ${fromOneAddress}`),
  RATE_LIMIT_REFRESH: perMinute(60, `Session refreshes ${fromOneAddress}`),
  RATE_LIMIT_CHANGE: perMinute(300, 'Changes per minute by one caller, in each process, refused ones included'),
  ADMIN_EMAIL: Type.Optional(
    Type.Refine(
      Type.String({ description: 'With ADMIN_PASSWORD: the first admin, created at start, once for a database' }),
      (email) => isMailbox(normaliseEmail(email)),
      () => 'must be an e-mail address',
    ),
  ),
  ADMIN_PASSWORD: Type.Optional(Type.String({ minLength: 8, maxLength: 128, description: 'Password of that admin' })),
  ...telemetrySettings,
})

/** The settings of command-api. Each is an environment variable, checked when the process starts. */
export const Config = withRules(Settings, [
  ...natsRules,
  [
    (settings) => settings.REFRESH_TOKEN_IDLE_SECONDS <= settings.REFRESH_TOKEN_MAX_SECONDS,
    'REFRESH_TOKEN_IDLE_SECONDS must not exceed REFRESH_TOKEN_MAX_SECONDS',
  ],
])
export type Config = Static<typeof Config>

function perMinute(fallback: number, what: string) {
  return Type.Integer({
    default: fallback,
    minimum: 0,
    maximum: 1_000_000,
    description: `${what}; 0: no limit`,
  })
}
