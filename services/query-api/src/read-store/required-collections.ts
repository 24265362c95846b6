import { usersReadIndexes } from '@cqrs/contracts'
import { type Logger, missingCollections, RequiredResources } from '@cqrs/service-kit'
import type { Db } from 'mongodb'
import type { ReadDatabase } from './read-database.ts'

/**
 * Checks that the live `users_read` exists with its indexes. The projector's `migrate` creates them; this process can
 * only read. Without them every query would scan the whole collection.
 */
export const requiredCollections = (db: Db, database: ReadDatabase, logger: Logger): RequiredResources =>
  new RequiredResources({
    missing: async () => {
      const { collectionName: name } = await database.live('users_read')
      return missingCollections(db, [{ name, indexes: usersReadIndexes }])
    },
    logger,
  })
