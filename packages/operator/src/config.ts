import { mongodbUri, natsRules, natsSettings, telemetrySettings, withRules } from '@cqrs/service-kit'
import Type, { type Static } from 'typebox'

/** What the command line needs. */
const connections = {
  MONGODB_READ_URI: mongodbUri('Read database, with its name in the path; the user needs the role `readWrite`'),
  ...natsSettings,
}
export const CliSettings = withRules(Type.Object(connections), natsRules)
export type CliSettings = Static<typeof CliSettings>

const JWKS_FILE = Type.String({ description: 'JSON file with the public keys that verify access tokens' })

/** The files of a key rotation: those of command-api. */
export const KeySettings = Type.Object({
  JWT_SIGNING_KEY_FILE: Type.String({ description: 'PEM file with the private EC P-256 key that signs access tokens' }),
  JWKS_FILE,
})

/** It sends no traces. */
const { METRICS_PORT, LOG_LEVEL } = telemetrySettings

/** The settings of the operator's HTTP API and console, each an environment variable, checked at start. */
const Settings = Type.Object({
  HOST: Type.String({ default: '::', description: 'Address to listen on; `::` is every address of IPv6 and IPv4' }),
  PORT: Type.Integer({ default: 8084, minimum: 0, maximum: 65535, description: 'Port to listen on' }),
  METRICS_PORT,
  ...connections,
  API_URL: Type.Optional(
    Type.String({
      pattern: '^https?://',
      description: 'The public API, which the console then asks below its own address; a gateway can do that instead',
    }),
  ),
  JWKS_FILE,
  JWT_ISSUER: Type.String({ default: 'cqrs-user-service', description: 'Issuer (`iss`) of access tokens' }),
  JWT_AUDIENCE: Type.String({ default: 'cqrs-user-service', description: 'Audience (`aud`) of access tokens' }),
  LOG_LEVEL,
})
export const Config = withRules(Settings, natsRules)
export type Config = Static<typeof Config>
