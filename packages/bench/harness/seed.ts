import { userStatsSums } from '@cqrs/contracts'
import argon2 from 'argon2'
import type { Collection, Db } from 'mongodb'
import { project } from '../../../services/projector/src/projections/projection.ts'
import { userStats } from '../../../services/projector/src/projections/user-stats.ts'
import { usersRead } from '../../../services/projector/src/projections/users-read.ts'
import { userCreated } from './users.ts'

type Stored = { _id: string }
const batchSize = 2_000

/** The password of every seeded user. */
export const password = 'password123'

/**
 * Inserts users into the databases as if they had registered: documents of the write model, and of the read models as
 * the projector's projections make them. Several thousand a second, compared with about a hundred registrations.
 * @param sides the databases to fill
 * @returns the users' ids, ascending
 */
export async function seedUsers(
  count: number,
  sides: { write?: Db; read?: Db },
  say: (line: string) => void,
): Promise<string[]> {
  const passwordHash = await argon2.hash(password, { memoryCost: 19_456, timeCost: 2, parallelism: 1 })
  const ids: string[] = []
  const sums: Record<string, number> = {}
  for (let from = 0; from < count; from += batchSize) {
    const events = Array.from({ length: Math.min(batchSize, count - from) }, (_, i) => userCreated(from + i))
    const shares = events.map((event) => project(userStats, event))
    for (const share of shares) {
      for (const [name, value] of Object.entries(userStats.sums?.tally(share) ?? {}))
        sums[name] = (sums[name] ?? 0) + value
    }
    const people = events.map(({ data: { user } }) => {
      const { id, createdAt, updatedAt, ...fields } = user
      return { _id: id, ...fields, passwordHash, createdAt: new Date(createdAt), updatedAt: new Date(updatedAt) }
    })
    await Promise.all([
      insert(
        sides.write?.collection('users'),
        people.map((user) => ({ ...user, version: 1, outbox: [] })),
      ),
      insert(
        sides.read?.collection('users_read_v1'),
        events.map((event) => project(usersRead, event)),
      ),
      insert(sides.read?.collection('user_stats_v1'), shares),
    ])
    ids.push(...events.map(({ subject }) => subject))
    if (from % 50_000 === 0) say(`seeding users: ${from + events.length} of ${count}`)
  }
  const stats = sides.read?.collection<Stored>('user_stats_v1')
  await stats?.updateOne({ _id: userStatsSums }, { $inc: sums }, { upsert: true })
  return ids.sort()
}

const insert = async (collection: Collection<Stored> | undefined, documents: Stored[]) =>
  collection?.insertMany(documents, { ordered: false, writeConcern: { w: 1, journal: false } })
