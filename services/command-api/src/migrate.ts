import { createLogger, readConfig, runMigration } from '@cqrs/service-kit'
import Type from 'typebox'
import { Config } from './config.ts'
import { createResources } from './resources.ts'

/**
 * `node dist/migrate.js`: creates the missing collections and indexes of the write database and the stream USERS. It
 * must run before command-api works.
 */
const config = readConfig(
  Type.Pick(Config, ['MONGODB_URI', 'NATS_URL', 'STREAM_REPLICAS', 'STREAM_MAX_BYTES', 'LOG_LEVEL']),
)
const succeeded = await runMigration({
  mongodbUri: config.MONGODB_URI,
  natsUrl: config.NATS_URL,
  logger: createLogger('command-api-migrate', config.LOG_LEVEL),
  migrate: (db, nats) => createResources(db, nats, config.STREAM_REPLICAS, config.STREAM_MAX_BYTES),
})
process.exitCode = succeeded ? 0 : 1
