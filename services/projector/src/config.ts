import { logLevels, metricsSettings } from '@cqrs/service-kit'
import Type, { type Static } from 'typebox'

/** Every setting of the projector: an environment variable each, checked when the process starts. */
export const Config = Type.Object({
  HOST: Type.String({ default: '0.0.0.0', description: 'Address to answer health checks on' }),
  PORT: Type.Integer({ default: 8083, minimum: 0, maximum: 65535, description: 'Port to answer health checks on' }),
  ...metricsSettings,
  MONGODB_READ_URI: Type.String({
    pattern: '^mongodb(\\+srv)?://',
    description: 'Read database, with its name in the path; needs a user with the role `readWrite`',
  }),
  NATS_URL: Type.String({ default: 'nats://127.0.0.1:4222', description: 'NATS server' }),
  STREAM_REPLICAS: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 5,
    description: 'Copies of the event stream: 3 in production',
  }),
  SMTP_URL: Type.String({
    pattern: '^smtps?://',
    description: 'Mail server, with user and password where it wants them',
  }),
  MAIL_FROM: Type.String({
    default: 'Users <no-reply@example.com>',
    pattern: '[^\\s<]@[^\\s>]',
    description: 'Sender of the welcome e-mail',
  }),
  VERIFY_EVERY_SECONDS: Type.Integer({
    default: 300,
    minimum: 1,
    description: 'How often the read models are compared with the write side, and repaired',
  }),
  LOG_LEVEL: Type.Enum([...logLevels], { default: 'info', description: 'Least level that is logged' }),
})
export type Config = Static<typeof Config>
