import { usersReadCollection, usersReadIndexes } from '@cqrs/contracts'
import { type Logger, missingCollections, Setup } from '@cqrs/service-kit'
import type { Db } from 'mongodb'
import { LiveCollections } from './live-collections.ts'

/**
 * Whether the read store is there with its indexes, which the projector's `migrate` makes: this process cannot write.
 * Without them every query would read the whole collection.
 */
export const readStoreSetup = (db: Db, logger: Logger): Setup =>
  new Setup({
    missing: async () => {
      const { collectionName: name } = await new LiveCollections(db).of(usersReadCollection)
      return missingCollections(db, [{ name, indexes: usersReadIndexes }])
    },
    logger,
  })
