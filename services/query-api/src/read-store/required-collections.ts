import { userDirectoryIndexes, usersReadIndexes } from '@cqrs/contracts'
import { type Logger, missingCollections, RequiredResources } from '@cqrs/service-kit'
import type { Db } from 'mongodb'
import type { ReadDatabase } from './read-database.ts'

/**
 * Checks that the live collections exist with their indexes. The projector's `migrate` creates them; this process can
 * only read. Without them every query would scan a whole collection.
 */
export const requiredCollections = (db: Db, database: ReadDatabase, logger: Logger): RequiredResources =>
  new RequiredResources({
    missing: async () => {
      const plans = Object.entries(indexesOf).map(async ([readModel, indexes]) => ({
        name: (await database.live(readModel as keyof typeof indexesOf)).collectionName,
        indexes,
      }))
      return missingCollections(db, await Promise.all(plans))
    },
    logger,
  })

/** Of the sums, one document is read, by its id. */
const indexesOf = { users_read: usersReadIndexes, user_directory: userDirectoryIndexes } as const
