import { logLevels, metricsSettings, mongodbUri, streamSettings, tlsSettings } from '@cqrs/service-kit'
import Type, { type Static } from 'typebox'

/** The projector's settings, each an environment variable, checked at start. */
export const Config = Type.Object({
  HOST: Type.String({
    default: '::',
    description: 'Address to listen on for health checks; `::` is every address of IPv6 and IPv4',
  }),
  PORT: Type.Integer({ default: 8083, minimum: 0, maximum: 65535, description: 'Port to listen on for health checks' }),
  ...metricsSettings,
  MONGODB_READ_URI: mongodbUri('Read database, with its name in the path; the user needs the role `readWrite`'),
  NATS_URL: Type.String({
    default: 'nats://127.0.0.1:4222',
    description: 'NATS server, or several of one cluster, separated by commas',
  }),
  ...streamSettings,
  SMTP_URL: Type.String({
    pattern: '^smtps?://',
    description: 'Mail server, with user name and password if it requires them; they are sent only under TLS',
  }),
  ...tlsSettings,
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
  LOG_LEVEL: Type.Enum([...logLevels], { default: 'info', description: 'Minimum log level' }),
})
export type Config = Static<typeof Config>
