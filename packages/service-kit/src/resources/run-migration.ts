import { JetStreamApiError } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type Db, MongoServerError } from 'mongodb'
import { isStorageUnavailable, mongoClient } from '../mongo/client.ts'
import { Lease } from '../mongo/lease.ts'
import { linkNats } from '../nats/link.ts'
import type { Logger } from '../process/logger.ts'
import { pause } from '../process/pause.ts'

/**
 * Runs a service's `migrate` to its end. It waits, `waitMs` at most, for its servers and for another process that is at
 * it: several may be started at once.
 * @param migrate makes what is missing; it must be safe to repeat
 * @returns whether it succeeded; if not, the log says why
 */
export async function runMigration(options: {
  mongodbUri: string
  natsUrl: string
  logger: Logger
  migrate: (db: Db, nats: NatsConnection) => Promise<void>
  waitMs?: number
}): Promise<boolean> {
  const { logger, waitMs = 120_000 } = options
  const name = 'migrate'
  const mongo = mongoClient(options.mongodbUri, name)
  const nats = linkNats({ url: options.natsUrl, name, logger: logger.child({}, { level: 'error' }) })
  mongo.start()
  nats.start()
  const lease = new Lease(mongo.db(), name, leaseMs)
  // An index of a large collection takes its time.
  const renewal = setInterval(() => void lease.acquire().catch(() => undefined), leaseMs / 3)
  const deadline = Date.now() + waitMs
  try {
    for (;;) {
      try {
        if (!(await lease.acquire())) throw new Away('another process is migrating')
        const connection = nats.connection()
        if (!connection) throw new Away('NATS is away')
        await options.migrate(mongo.db(), connection)
        logger.info('the set-up is complete')
        return true
      } catch (error) {
        if (Date.now() > deadline || isForAPerson(error)) throw error
        await pause(200, new AbortController().signal)
      }
    }
  } catch (error) {
    logger.error({ err: error }, 'the set-up is not complete')
    return false
  } finally {
    clearInterval(renewal)
    await lease.release().catch(() => undefined)
    await nats.close()
    await mongo.close()
  }
}

class Away extends Error {}

/** A server has refused, and will again: a right is missing, or an index exists with another definition. */
function isForAPerson(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.status < 500
  return error instanceof MongoServerError && !isStorageUnavailable(error)
}

const leaseMs = 30_000
