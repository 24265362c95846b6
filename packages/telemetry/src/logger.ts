import { MongoServerError } from 'mongodb'
import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/**
 * Writes JSON lines, by default to standard output, with the level as a word and the time in RFC 3339. It writes
 * synchronously: with pino's default, the last lines before an exit, which give its reason, can be lost.
 */
export const createLogger = (
  service: string,
  level: (typeof logLevels)[number],
  destination: DestinationStream = pino.destination({ dest: 1, sync: true }),
): Logger =>
  pino(
    {
      level,
      base: { service },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
      hooks: {
        // Without a text, pino would log the error's message.
        logMethod(args, method) {
          const [first, ...more] = args as [unknown, ...unknown[]]
          const error = first instanceof Error ? first : (first as { err?: unknown } | null)?.err
          if (more.length === 0 && error instanceof MongoServerError) method.apply(this, [first as object, error.name])
          else method.apply(this, args)
        },
      },
    },
    destination,
  )

/** `j***@example.com` for `jane.doe@example.com`: shows the mail host, hides the person. */
export const maskEmail = (email: string): string => `${email.slice(0, 1)}***${email.slice(email.lastIndexOf('@'))}`

/**
 * The message of a MongoDB server error can quote the document (E11000 holds the e-mail address), so only its code is
 * logged, also if it is the cause of another error.
 */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (error instanceof MongoServerError) return { type: error.name, code: error.code, codeName: error.codeName }
  const { code } = error as { code?: unknown }
  return {
    type: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    stack: error.stack,
    ...(error.cause !== undefined && { cause: serializeError(error.cause) }),
    ...(error instanceof AggregateError && { errors: error.errors.map(serializeError) }),
  }
}
