import { runMigration } from '@cqrs/service-kit'
import { createResources } from './resources.ts'

/**
 * `node dist/migrate.js`: creates the missing collections and indexes of the write database and the stream USERS. It
 * must run before command-api works.
 */
await runMigration('command-api', 'MONGODB_URI', createResources)
