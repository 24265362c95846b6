import { mongodbUri, natsRules, natsSettings, streamSettings, telemetrySettings, withRules } from '@cqrs/service-kit'
import Type, { type Static } from 'typebox'

/** The projector's settings, each an environment variable, checked at start. */
const Settings = Type.Object({
  HOST: Type.String({
    default: '::',
    description: 'Address to listen on for health checks; `::` is every address of IPv6 and IPv4',
  }),
  PORT: Type.Integer({ default: 8083, minimum: 0, maximum: 65535, description: 'Port to listen on for health checks' }),
  MONGODB_READ_URI: mongodbUri('Read database, with its name in the path; the user needs the role `readWrite`'),
  ...natsSettings,
  // For `migrate`, which may be the first to create the streams.
  ...streamSettings,
  SMTP_URL: Type.String({
    pattern: '^smtps?://',
    description: 'Mail server, with user name and password if it requires them; they are sent only under TLS',
  }),
  MAIL_FROM: Type.String({
    default: 'Users <no-reply@example.com>',
    pattern: '[^\\s<]@[^\\s>]',
    description: 'Sender of the welcome e-mail',
  }),
  VERIFY_EVERY_SECONDS: Type.Integer({
    default: 300,
    minimum: 1,
    description: 'Interval at which the read models are compared with the write side and repaired',
  }),
  ...telemetrySettings,
})
export const Config = withRules(Settings, natsRules)
export type Config = Static<typeof Config>
