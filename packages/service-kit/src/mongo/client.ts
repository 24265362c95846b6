import { existsSync } from 'node:fs'
import { type Logger, measurePool, tracing } from '@cqrs/telemetry'
import {
  MongoClient,
  type MongoClientOptions,
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
} from 'mongodb'
import Type from 'typebox'
import { ConfigError } from '../process/config.ts'
import { pause } from '../process/pause.ts'

/** Below the timeouts of requests. */
const majorityTimeoutMs = 5_000

/**
 * A client for one database. From `start` on it connects in the background, so that a process can start without its
 * database. An operation without a server fails after 2 s instead of the driver's 30 s, because a caller is waiting. A
 * heartbeat detects an unresponsive server in about 4 s. (The driver's `timeoutMS`, which would limit the whole
 * operation, has no effect since 7.8.)
 *
 * With `w: majority` and the journal, an acknowledged write survives the loss of a primary and a power failure. Without
 * a majority a write fails after 5 s (`WriteConcernTimeout`): it may still take effect. Reads return only what a
 * majority has, so nothing leaves the process that a failover could undo.
 * @throws ConfigError if the URI is malformed
 */
export function mongoClient(uri: string, appName: string, logger?: Logger): PatientMongoClient {
  const options: MongoClientOptions = {
    appName,
    serverSelectionTimeoutMS: 2_000,
    connectTimeoutMS: 2_000,
    waitQueueTimeoutMS: 5_000,
    heartbeatFrequencyMS: 2_000,
    socketTimeoutMS: 10_000,
    readConcern: { level: 'majority' },
    writeConcern: { w: 'majority', journal: true, wtimeoutMS: majorityTimeoutMs },
  }
  try {
    return new PatientMongoClient(uri, options, logger)
  } catch {
    // The driver's message can quote the URI, including the password.
    throw new ConfigError('invalid settings: the MongoDB URI is malformed')
  }
}

/**
 * The driver reconnects by itself, but only after a first success: when the first attempt fails it closes its topology,
 * and every later operation fails with that. So this client calls `connect` until it succeeds.
 */
export class PatientMongoClient extends MongoClient {
  readonly #closing = new AbortController()
  #connecting: Promise<void> | undefined
  readonly #log: Logger | undefined
  readonly #measured = measurePool(this)
  /** Why the database did not answer last. */
  reasons: string[] = []

  constructor(uri: string, options: MongoClientOptions, log?: Logger) {
    super(uri, options)
    this.#log = log
    tracing.traceCommands(this)
  }

  /** Starts connecting. */
  start(): void {
    this.#measured.start()
    this.#connecting ??= this.#keepConnecting()
  }

  /**
   * Waits for the first connection, at most `atMostMs`. A service calls it before it listens: a gateway that has just
   * lost another replica then does not get 503 from this one because it is still connecting.
   */
  async firstConnection(atMostMs = 2_000): Promise<void> {
    const enough = new AbortController()
    await Promise.race([this.#connecting, pause(atMostMs, enough.signal)])
    enough.abort()
  }

  /** Connects once, for a program that does not wait. @throws ConfigError with the address if no server answers */
  async connectNow(): Promise<this> {
    return (await super.connect().catch((error) => {
      const { hosts, srvHost } = this.options
      throw new ConfigError(`the database at ${srvHost ?? hosts} does not answer: ${codeOf(error)}`)
    })) as this
  }

  /** Whether the operation succeeds. */
  async answers(operation: Promise<unknown>): Promise<boolean> {
    return await operation.then(
      () => this.#note(),
      (error) => this.#note(error),
    )
  }

  override close(force?: boolean): Promise<void> {
    this.#closing.abort()
    void this.#measured.close()
    return super.close(force)
  }

  async #keepConnecting(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.connect()
        return
      } catch (error) {
        this.#note(error)
        // The pause is for errors that come at once, such as a wrong password.
        await pause(500, this.#closing.signal)
      }
    }
  }

  #note(error?: unknown): boolean {
    // Of an operation while there is no connection: `connect` has the reason.
    if (error instanceof MongoTopologyClosedError || this.#closing.signal.aborted) return false
    const reasons = error === undefined ? [] : [`MongoDB is unavailable: ${codeOf(error)}`]
    if (error !== undefined && reasons[0] !== this.reasons[0]) this.#log?.warn({ err: error }, 'MongoDB is unavailable')
    this.reasons = reasons
    return error === undefined
  }
}

/**
 * Options of a `findOne` by `_id` that confirms an answer which needs no write. A primary that was deposed without
 * noticing still answers a majority read, and also acknowledges a write that changes nothing if a majority has its last
 * entry. For a linearizable read the server first gets an entry of its own to a majority (MongoDB, "Read Concern
 * linearizable"); so what it returns is committed and current.
 */
export const linearizable = {
  readConcern: { level: 'linearizable' },
  readPreference: 'primary',
  maxTimeMS: majorityTimeoutMs,
} as const

/**
 * Whether the error means that the database cannot work now, rather than a wrong operation: it is unavailable, changes
 * its primary, has no majority, or refuses (`isRefused`). A write may have taken effect.
 */
export function isStorageUnavailable(error: unknown): boolean {
  if (isRefused(error)) return true
  return errorsIn(error).some((one) => {
    if (one instanceof MongoNetworkError || one instanceof MongoServerSelectionError) return true
    if (closedSocketCodes.has((one as NodeJS.ErrnoException).code)) return true
    if (!(one instanceof MongoError)) return false
    const isRetryable = one.hasErrorLabel('RetryableWriteError') || one.hasErrorLabel('TransientTransactionError')
    return isRetryable || unavailable.has(one.name) || unavailableCodes.has(one.code)
  })
}

/** The driver (7.9) passes these on as they are when it writes to a connection that the server has just closed. */
const closedSocketCodes = new Set<string | undefined>(['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED'])

/** Whether the database refuses until an operator changes something: rights, the password, the disk. */
export const isRefused = (error: unknown): boolean =>
  errorsIn(error).some((one) => one instanceof MongoError && refusedCodes.has(one.code))

/** What an operator may read of an error, such as `Unauthorized` or `CERT_HAS_EXPIRED`: its text can name users. */
export const codeOf = (error: unknown): string =>
  errorsIn(error)
    .map((one) => (one instanceof MongoServerError ? one.codeName : (one as NodeJS.ErrnoException).code))
    .find((code) => typeof code === 'string') ?? (error as Error).name

/** Whether a unique index refused the write. */
export const isDuplicateKey = (error: unknown): boolean => error instanceof MongoServerError && error.code === 11000

/** An error with those that it wraps: causes, and what ended a bulk write. */
function errorsIn(error: unknown): Error[] {
  if (!(error instanceof Error)) return []
  const ended = error instanceof MongoServerError ? error.errorResponse : undefined
  return [error, ...errorsIn(error.cause), ...errorsIn(ended)]
}

/**
 * Errors of the driver itself. The last two come when a server goes away between its selection and its use
 * (`execute_operation.js`, `server.js`).
 */
const unavailable = new Set([
  'MongoWaitQueueTimeoutError',
  'MongoTopologyClosedError',
  'MongoNotConnectedError',
  'MongoServerClosedError',
  'MongoUnexpectedServerResponseError',
])

/** By name in MongoDB's `error_codes.yml`. Only errors of writes have an error label as well. */
const unavailableCodes = new Set<unknown>([
  ...[6, 7, 89, 9001], // HostUnreachable, HostNotFound, NetworkTimeout, SocketException: of a server behind the server
  // State change errors of the Server Discovery And Monitoring specification: the server stops, starts or changes role.
  ...[91, 189, 10058, 10107, 11600, 11602, 13435, 13436],
  // Without a majority: WriteConcernTimeout, UnsatisfiableWriteConcern, and those of read concerns.
  ...[64, 100, 134, 148],
  ...[24, 50, 262, 11601], // LockTimeout, MaxTimeMSExpired, ExceededTimeLimit, Interrupted
])

const refusedCodes = new Set<unknown>([
  ...[13, 18], // Unauthorized, AuthenticationFailed
  ...[12501, 14031], // QuotaExceeded, OutOfDiskSpace
  371, // UserWritesBlocked
])

/** A setting with the URI of a database. */
export const mongodbUri = (description: string) =>
  Type.Refine(
    Type.String({ description }),
    (uri) => /^mongodb(\+srv)?:\/\/[^/]+\/[^/?]+/.test(uri) && missingFiles(uri).length === 0,
    (uri) => missingFiles(uri)[0] ?? 'must be a URI with the name of the database, as in mongodb://host/name',
  )

/** The driver reports them like an unavailable server. */
const missingFiles = (uri: string): string[] =>
  [...new URLSearchParams(uri.split('?')[1])]
    .filter(([option, file]) => /^tls.*File$/i.test(option) && !existsSync(file))
    .map(([option]) => `has a ${option} that does not exist`)
