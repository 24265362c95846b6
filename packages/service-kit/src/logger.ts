import { MongoServerError } from 'mongodb'
import { type LevelWithSilent, type Logger, pino, stdSerializers } from 'pino'

export type { Logger } from 'pino'
export const logLevels = [
  'fatal',
  'error',
  'warn',
  'info',
  'debug',
  'trace',
  'silent',
] as const satisfies LevelWithSilent[]

/** JSON lines on standard output, with the level as a word and the time in RFC 3339. */
export const createLogger = (service: string, level: (typeof logLevels)[number]): Logger =>
  pino({
    level,
    base: { service },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: serializeError },
  })

/** `jane.doe@example.com` as `j***@example.com`: enough to tell mail hosts apart, not people. */
export const maskEmail = (email: string): string => `${email.slice(0, 1)}***${email.slice(email.lastIndexOf('@'))}`

/** What a server error of MongoDB says can hold the document (E11000 quotes the e-mail address): only its code is kept. */
function serializeError(error: Error): object {
  if (!(error instanceof MongoServerError)) return stdSerializers.err(error)
  return { type: error.name, code: error.code, codeName: error.codeName }
}
