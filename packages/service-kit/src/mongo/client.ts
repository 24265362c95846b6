import {
  MongoClient,
  type MongoClientOptions,
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
} from 'mongodb'
import { ConfigError } from '../process/config.ts'
import { pause } from '../process/pause.ts'

/**
 * A client for one database. From `start` on it connects in the background, so that a process can start without its
 * database. An operation without a server fails after 2 s instead of the driver's 30 s, because a caller is waiting. A
 * heartbeat detects an unresponsive server in about 4 s. (The driver's `timeoutMS`, which would limit the whole
 * operation, has no effect since 7.8.) With `w: majority` and the journal, an acknowledged write survives the loss of a
 * primary and a power failure.
 * @throws ConfigError if the URI is malformed
 */
export function mongoClient(uri: string, appName: string): PatientMongoClient {
  const options: MongoClientOptions = {
    appName,
    serverSelectionTimeoutMS: 2_000,
    connectTimeoutMS: 2_000,
    waitQueueTimeoutMS: 5_000,
    heartbeatFrequencyMS: 2_000,
    socketTimeoutMS: 10_000,
    writeConcern: { w: 'majority', journal: true },
  }
  try {
    return new PatientMongoClient(uri, options)
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

  /** Starts connecting. */
  start(): void {
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

  override close(force?: boolean): Promise<void> {
    this.#closing.abort()
    return super.close(force)
  }

  async #keepConnecting(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.connect()
        return
      } catch {
        // /readyz reports it. The pause is for errors that come at once, such as a wrong password.
        await pause(500, this.#closing.signal)
      }
    }
  }
}

/** Whether the error means that the database is unavailable or changes its primary, rather than a wrong operation. */
export function isStorageUnavailable(error: unknown): boolean {
  if (error instanceof MongoNetworkError || error instanceof MongoServerSelectionError) return true
  if (error instanceof MongoServerError) return error.hasErrorLabel('RetryableWriteError') || isChanging(error)
  return error instanceof MongoError && unavailable.has(error.name)
}

/** Whether a unique index refused the write. */
export const isDuplicateKey = (error: unknown): boolean => error instanceof MongoServerError && error.code === 11000

const unavailable = new Set(['MongoWaitQueueTimeoutError', 'MongoTopologyClosedError', 'MongoNotConnectedError'])

const isChanging = ({ code }: MongoServerError): boolean => typeof code === 'number' && stateChangeCodes.has(code)

/**
 * Errors of a server that stops, starts or changes its role ("state change errors" in MongoDB's Server Discovery And
 * Monitoring specification). Only those of writes also have an error label.
 */
const stateChangeCodes = new Set([91, 189, 10058, 10107, 11600, 11602, 13435, 13436])
