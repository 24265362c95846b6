import type { Db } from 'mongodb'
import { userStats } from '../../../services/projector/src/projections/user-stats.ts'
import { usersRead } from '../../../services/projector/src/projections/users-read.ts'
import type { BulkWritesJob } from '../processes/bulk-writes.ts'
import { inChild } from './in-child.ts'

/**
 * Writes the documents of these collections in bulk writes of 500 with the bare driver, into collections with the read
 * models' indexes. The collections are written in parallel, each by a process of its own.
 * @param into a prefix of the collections' names; recreated for `insert`, otherwise used as they are
 * @returns documents a second of the slowest collection
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

type ReadModelName = 'users_read_v1' | 'user_stats_v1'
const projections = { users_read_v1: usersRead, user_stats_v1: userStats }
