import { runMigration } from '@cqrs/service-kit'
import { createResources } from './resources.ts'

/**
 * `node dist/migrate.js`: creates the missing collections and indexes of the read database, streams and durable
 * consumers, before the projector is started.
 */
await runMigration('projector', 'MONGODB_READ_URI', createResources)
