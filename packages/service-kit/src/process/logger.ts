import { MongoServerError } from 'mongodb'
import { type DestinationStream, type LevelWithSilent, type Logger, pino } from 'pino'

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

/**
 * JSON lines, by default on standard output, with the level as a word and the time in RFC 3339.
 *
 * Each line is written before the call returns. Left to pino's default, a line that is still on its way when the process
 * exits can come after the last ones, or never: those say why it ends.
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
        // Where no text is given, pino would take the error's message as the text.
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

/** `jane.doe@example.com` as `j***@example.com`: enough to tell mail hosts apart, not people. */
export const maskEmail = (email: string): string => `${email.slice(0, 1)}***${email.slice(email.lastIndexOf('@'))}`

/**
 * What a server error of MongoDB says can hold the document (E11000 quotes the e-mail address): only its code is kept,
 * also where it is another error's cause.
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
