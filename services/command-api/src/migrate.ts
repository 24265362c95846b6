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
 * `node dist/migrate.js`: creates the missing collections and indexes of the write database and the stream USERS. It
 * must run before command-api works.
 */
const { MONGODB_URI, LOG_LEVEL } = Config.properties
const config = readConfig(
  withRules(Type.Object({ MONGODB_URI, ...natsSettings, ...streamSettings, LOG_LEVEL }), natsRules),
)
const succeeded = await runMigration({
  mongodbUri: config.MONGODB_URI,
  nats: config,
  logger: createLogger('command-api-migrate', config.LOG_LEVEL),
  migrate: (db, nats) => createResources(db, nats, config.STREAM_REPLICAS, config.STREAM_MAX_BYTES),
})
process.exitCode = succeeded ? 0 : 1
