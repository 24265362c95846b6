import { createLogger, telemetrySettings } from '@cqrs/telemetry'
import { JetStreamApiError } from '@nats-io/jetstream'
import { errors, type NatsConnection } from '@nats-io/transport-node'
import { type Db, MongoServerError } from 'mongodb'
import Type, { type Static } from 'typebox'
import { isRefused, isStorageUnavailable, mongoClient, mongodbUri } from '../mongo/client.ts'
import { Lease } from '../mongo/lease.ts'
import { linkNats } from '../nats/link.ts'
import { natsRules, natsSettings } from '../nats/settings.ts'
import { streamSettings } from '../nats/streams.ts'
import { ConfigError, readConfig, withRules } from '../process/config.ts'
import { pause } from '../process/pause.ts'

/** What a migration needs, besides the URI of its database. */
const Settings = Type.Object({ ...natsSettings, ...streamSettings, LOG_LEVEL: telemetrySettings.LOG_LEVEL })

/**
 * Runs the migration of a service, a process of its own: it exits with code 1 if it failed, and the reason is in the
 * log. It waits at most two minutes for the servers, and for another process that is migrating: several may be started
 * at once.
 * @param uri the setting that names the database
 * @param migrate creates what is missing; it must be safe to repeat
 */
export async function runMigration(
  service: string,
  uri: 'MONGODB_URI' | 'MONGODB_READ_URI',
  migrate: (db: Db, nats: NatsConnection, streamReplicas: number, maxBytes: number) => Promise<void>,
): Promise<void> {
  const schema = Type.Object({ [uri]: mongodbUri('Database, with its name in the path'), ...Settings.properties })
  const config = readConfig(withRules(schema, natsRules)) as Static<typeof Settings> & Record<typeof uri, string>
  const logger = createLogger(`${service}-migrate`, config.LOG_LEVEL)
  const name = 'migrate'
  const mongo = mongoClient(config[uri], name)
  const nats = linkNats({ settings: config, name, logger: logger.child({}, { level: 'error' }) })
  mongo.start()
  nats.start()
  const lease = new Lease(mongo.db(), name, leaseMs)
  // Building an index on a large collection can take longer than the lease.
  const renewal = setInterval(() => void lease.acquire().catch(() => undefined), leaseMs / 3)
  const deadline = Date.now() + waitAtMostMs
  try {
    for (;;) {
      try {
        if (!(await lease.acquire())) throw new Unavailable('another process is migrating')
        const connection = nats.connection()
        if (!connection) throw new Unavailable(nats.problems().join())
        await migrate(mongo.db(), connection, config.STREAM_REPLICAS, config.STREAM_MAX_BYTES)
        logger.info('migration completed')
        return
      } catch (error) {
        if (Date.now() > deadline || needsOperator(error)) throw error
        await pause(200, new AbortController().signal)
      }
    }
  } catch (error) {
    logger.error({ err: error }, 'migration failed')
    process.exitCode = 1
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
const waitAtMostMs = 120_000
