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
 * A client for one database. From `start` on it connects in the background, so a process starts while its database is away. An operation
 * gives up after 2 s without a server instead of the driver's 30 s: a caller waits at the other end. A server that stops
 * answering is noticed by a heartbeat, in about 4 s. (The driver's `timeoutMS`, which would bound the whole, has no
 * effect since 7.8.)
 * `w: majority` with the journal: what was acknowledged survives the loss of a primary and of power.
 * @throws ConfigError when the URI cannot be understood
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
    // Not with the driver's words: they can quote the URI, and with it the password.
    throw new ConfigError('wrong settings: the URI of the MongoDB database cannot be understood')
  }
}

/**
 * The driver reconnects by itself once it has been connected. But where its very first attempt fails it closes its
 * topology, and every operation from then on says so: until the first success somebody has to call `connect` again.
 */
export class PatientMongoClient extends MongoClient {
  readonly #closing = new AbortController()
  #connecting: Promise<void> | undefined

  /** Begins to connect, in the background. */
  start(): void {
    this.#connecting ??= this.#keepConnecting()
  }

  /**
   * Waits for the first connection, and no longer than `atMostMs`. To be called early in the start of a service that
   * answers: whoever finds it listening, such as a gateway that has just lost another replica, gets an answer and not that
   * its database is away.
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
        // /readyz tells that it is away. Some failures come at once, such as a wrong password: hence the pause.
        await pause(500, this.#closing.signal)
      }
    }
  }
}

/** Whether the error says that the database is away or changing its primary, and not that the operation is wrong. */
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
 * What a server answers while it stops, starts or changes its role ("state change errors" of MongoDB's Server
 * Discovery And Monitoring specification). Answers to writes have a label as well, those to reads have not.
 */
const stateChangeCodes = new Set([91, 189, 10058, 10107, 11600, 11602, 13435, 13436])
