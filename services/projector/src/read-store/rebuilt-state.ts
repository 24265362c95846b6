import { readModelsCollection, type ShapeState } from '@cqrs/contracts'
import type { Db, Document } from 'mongodb'

/** The progress of filling a new collection. It is stored, so that an interrupted rebuild can be resumed. */
export type Rebuild = {
  collection: string
  /** Of what the projection writes: code that writes something else starts over. */
  fingerprint: string
  /** The last id of the pages that are stored. */
  after: string
  filled: number
  /** How many users the write side has; unknown before the first page. */
  total?: number
  owner: string
  /** Until then the owner counts as alive, by the database's clock. */
  ownedUntil: Date
}

export type RebuiltState = ShapeState & {
  rebuild?: Rebuild
  retired?: { collection: string; at: Date }[]
  /** The last collection that was given up. */
  abandoned?: { collection: string; reason: string }
}

/**
 * Stops applying events to a collection that is not live, and gives up its rebuild, so that it never becomes live
 * without them. It is dropped later.
 * @returns false if it is live
 */
export async function stopWriting(db: Db, readModel: string, collection: string, reason: string): Promise<boolean> {
  const isRebuilt = { $eq: ['$rebuild.collection', collection] }
  const abandoned = { collection, reason: { $literal: reason } }
  const { matchedCount } = await db
    .collection<RebuiltState>(readModelsCollection)
    .updateOne({ _id: readModel, live: { $ne: collection } }, [
      { $set: { abandoned: { $cond: [isRebuilt, abandoned, '$abandoned'] }, written: writtenWithout(collection) } },
      ...givingUp(isRebuilt),
    ])
  return matchedCount === 1
}

/** If the condition holds, the rebuild is over, and its collection is retired. */
export const givingUp = (condition: object): Document[] => {
  const retired = { $ifNull: ['$retired', []] }
  const retiring = [{ collection: '$rebuild.collection', at: '$$NOW' }]
  return [
    {
      $set: {
        written: { $cond: [condition, writtenWithout('$rebuild.collection'), '$written'] },
        retired: { $cond: [condition, { $concatArrays: [retired, retiring] }, retired] },
        rebuild: { $cond: [condition, '$$REMOVE', '$rebuild'] },
      },
    },
  ]
}

const writtenWithout = (collection: string) => ({
  $filter: { input: '$written', cond: { $ne: ['$$this', collection] } },
})
