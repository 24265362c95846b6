import { MongoClient, type MongoClientOptions, MongoError, MongoServerError } from 'mongodb'
import { ConfigError } from './config.ts'

/**
 * A client for one database. It connects in the background, so a process starts while its database is away. An operation
 * gives up after 2 s without a server instead of the driver's 30 s: a caller waits at the other end.
 * `w: majority` with the journal: what was acknowledged survives the loss of a primary and of power.
 * @throws ConfigError when the URI cannot be understood
 */
export function mongoClient(uri: string, appName: string): MongoClient {
  const options: MongoClientOptions = {
    appName,
    serverSelectionTimeoutMS: 2_000,
    connectTimeoutMS: 2_000,
    waitQueueTimeoutMS: 5_000,
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
class PatientMongoClient extends MongoClient {
  #isClosing = false

  constructor(uri: string, options: MongoClientOptions) {
    super(uri, options)
    void this.#keepConnecting()
  }

  override close(force?: boolean): Promise<void> {
    this.#isClosing = true
    return super.close(force)
  }

  async #keepConnecting(): Promise<void> {
    while (!this.#isClosing) {
      try {
        await this.connect()
        return
      } catch {
        // Each attempt takes serverSelectionTimeoutMS, so this is no busy loop. /readyz tells that it is away.
      }
    }
  }
}

/** Whether the error says that the database is away or changing its primary, and not that the operation is wrong. */
export function isStorageUnavailable(error: unknown): boolean {
  if (!(error instanceof MongoError)) return false
  if (error.hasErrorLabel('RetryableWriteError') || error.hasErrorLabel('RetryableError')) return true
  return !(error instanceof MongoServerError) && unavailable.has(error.name)
}

const unavailable = new Set([
  'MongoServerSelectionError',
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoPoolClearedError',
  'MongoPoolClearedOnNetworkError',
  'MongoWaitQueueTimeoutError',
  'MongoTopologyClosedError',
  'MongoNotConnectedError',
])

/** Whether a unique index refused the write. */
export const isDuplicateKey = (error: unknown): boolean => error instanceof MongoServerError && error.code === 11000
