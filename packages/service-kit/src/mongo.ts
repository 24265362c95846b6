import { MongoClient, MongoError, MongoServerError } from 'mongodb'

/**
 * A client for one database. It connects at the first operation, so a process starts while its database is away, and
 * gives up after 2 s without a server instead of the driver's 30 s: a caller waits at the other end.
 * `w: majority` with the journal: what was acknowledged survives the loss of a primary and of power.
 */
export const mongoClient = (uri: string, appName: string): MongoClient =>
  new MongoClient(uri, {
    appName,
    serverSelectionTimeoutMS: 2_000,
    connectTimeoutMS: 2_000,
    timeoutMS: 10_000,
    writeConcern: { w: 'majority', journal: true },
  })

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
  'MongoOperationTimeoutError',
  'MongoPoolClearedError',
  'MongoPoolClearedOnNetworkError',
  'MongoWaitQueueTimeoutError',
])

/** Whether a unique index refused the write. */
export const isDuplicateKey = (error: unknown): boolean => error instanceof MongoServerError && error.code === 11000
