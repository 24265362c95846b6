import { usersReadCollection, usersReadIndexes } from '@cqrs/contracts'
import { type Logger, missingCollections, RequiredResources } from '@cqrs/service-kit'
import type { Db } from 'mongodb'
import { LiveCollections } from './live-collections.ts'

/**
 * Whether the read store is there with its indexes, which the projector's `migrate` makes: this process cannot write.
 * Without them every query would read the whole collection.
 */
export const requiredCollections = (db: Db, logger: Logger): RequiredResources =>
  new RequiredResources({
    missing: async () => {
      const { collectionName: name } = await new LiveCollections(db).of(usersReadCollection)
      return missingCollections(db, [{ name, indexes: usersReadIndexes }])
    },
    logger,
  })
