import type { Db } from 'mongodb'
import { userStats } from '../../../services/projector/src/projections/user-stats.ts'
import { usersRead } from '../../../services/projector/src/projections/users-read.ts'
import type { BulkWritesJob } from '../processes/bulk-writes.ts'
import { inChild } from './in-child.ts'

/**
 * The documents of these collections in bulk writes of 500 by the bare driver, the collections side by side, each in a
 * process of its own, into collections with the read models' indexes.
 * @param into a prefix of the collections' names; these are made anew for `insert`, else used as they are
 * @returns documents a second of the collection that takes longest
 */
export async function rawWrites(
  db: Db,
  uri: string,
  {
    collections,
    into,
    how,
  }: { collections: Partial<Record<ReadModelName, string>>; into: string; how: BulkWritesJob['how'] },
): Promise<number> {
  const rates = await Promise.all(
    Object.entries(collections).map(async ([readModel, from]) => {
      const to = `${into}_${readModel}`
      await db.collection(to).createIndexes([...projections[readModel as ReadModelName].indexes])
      const { documents, seconds } = await inChild<BulkWritesJob, { documents: number; seconds: number }>(
        'bulk-writes',
        { uri, from, to, how },
      )
      return documents / seconds
    }),
  )
  return Math.min(...rates)
}

type ReadModelName = 'users_read' | 'user_stats'
const projections = { users_read: usersRead, user_stats: userStats }
