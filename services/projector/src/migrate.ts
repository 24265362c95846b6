import {
  createLogger,
  natsRules,
  natsSettings,
  readConfig,
  runMigration,
  streamSettings,
  withRules,
} from '@cqrs/service-kit'
import Type from 'typebox'
import { Config } from './config.ts'
import { createResources } from './resources.ts'

/**
 * `node dist/migrate.js`: creates the missing collections and indexes of the read database, streams and durable
 * consumers, before the projector is started.
 */
const { MONGODB_READ_URI, LOG_LEVEL } = Config.properties
const config = readConfig(
  withRules(Type.Object({ MONGODB_READ_URI, ...natsSettings, ...streamSettings, LOG_LEVEL }), natsRules),
)
const succeeded = await runMigration({
  mongodbUri: config.MONGODB_READ_URI,
  nats: config,
  logger: createLogger('projector-migrate', config.LOG_LEVEL),
  migrate: (db, nats) => createResources(db, nats, config.STREAM_REPLICAS, config.STREAM_MAX_BYTES),
})
process.exitCode = succeeded ? 0 : 1
