import type { Logger } from '@cqrs/telemetry'
import { JetStreamApiError } from '@nats-io/jetstream'
import { errors, type NatsConnection } from '@nats-io/transport-node'
import { type Db, MongoServerError } from 'mongodb'
import { isRefused, isStorageUnavailable, mongoClient } from '../mongo/client.ts'
import { Lease } from '../mongo/lease.ts'
import { linkNats } from '../nats/link.ts'
import type { NatsSettings } from '../nats/settings.ts'
import { ConfigError } from '../process/config.ts'
import { pause } from '../process/pause.ts'

/**
 * Runs a service's migration. It waits at most `waitMs` for the servers, and for another process that is migrating:
 * several may be started at once.
 * @param options.migrate creates what is missing; it must be safe to repeat
 * @returns whether it succeeded; if not, the reason is in the log
 */
export async function runMigration(options: {
  mongodbUri: string
  nats: NatsSettings
  logger: Logger
  migrate: (db: Db, nats: NatsConnection) => Promise<void>
  waitMs?: number
}): Promise<boolean> {
  const { logger, waitMs = 120_000 } = options
  const name = 'migrate'
  const mongo = mongoClient(options.mongodbUri, name)
  const nats = linkNats({ settings: options.nats, name, logger: logger.child({}, { level: 'error' }) })
  mongo.start()
  nats.start()
  const lease = new Lease(mongo.db(), name, leaseMs)
  // Building an index on a large collection can take longer than the lease.
  const renewal = setInterval(() => void lease.acquire().catch(() => undefined), leaseMs / 3)
  const deadline = Date.now() + waitMs
  try {
    for (;;) {
      try {
        if (!(await lease.acquire())) throw new Unavailable('another process is migrating')
        const connection = nats.connection()
        if (!connection) throw new Unavailable(nats.problems().join())
        await options.migrate(mongo.db(), connection)
        logger.info('migration completed')
        return true
      } catch (error) {
        if (Date.now() > deadline || needsOperator(error)) throw error
        await pause(200, new AbortController().signal)
      }
    }
  } catch (error) {
    logger.error({ err: error }, 'migration failed')
    return false
  } finally {
    clearInterval(renewal)
    await lease.release().catch(() => undefined)
    await nats.close()
    await mongo.close()
  }
}

class Unavailable extends Error {}

/** Whether a server refused for good: a right or room is missing, or an index exists with another definition. */
function needsOperator(error: unknown): boolean {
  if (error instanceof ConfigError || error instanceof errors.PermissionViolationError) return true
  if (error instanceof JetStreamApiError) return error.status < 500
  return isRefused(error) || (error instanceof MongoServerError && !isStorageUnavailable(error))
}

const leaseMs = 30_000
