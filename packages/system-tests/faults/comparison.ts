import {
  type LiveShape,
  type ReadModelName,
  readModelsCollection,
  type ShapeState,
  shapeName,
  type UserStatsSums,
  userStatsSums,
} from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import type { Db } from 'mongodb'
import type { Acknowledged } from './load.ts'

type Row = { _id: string; version: number; deletedAt?: Date; isActive: boolean; roles: string[] } & Record<
  string,
  unknown
>

/** The differences between `users` and the live shapes of the read models, in words. */
export async function differences(write: Db, read: Db): Promise<string[]> {
  const [users, sums, ...shown] = await Promise.all([
    rows(write, 'users'),
    statistics(read),
    ...(['users_read', 'user_directory'] as const).map((name) => shownIn(read, name)),
  ])
  const found = shown.flatMap(({ name, rows }) =>
    differencesOf(users, rows).map((difference) => `${name}: ${difference}`),
  )
  const counted = count([...users.values()].filter(({ deletedAt }) => !deletedAt))
  if (JSON.stringify(sums) !== JSON.stringify(counted))
    found.push(`statistics are ${JSON.stringify(sums)}, not ${JSON.stringify(counted)}`)
  return found
}

function differencesOf(users: Map<string, Row>, readModel: Map<string, Row>): string[] {
  const found: string[] = []
  for (const [id, user] of users) {
    const shown = readModel.get(id)
    if (!user.deletedAt && !shown) found.push(`${id} is missing`)
    else if (shown && JSON.stringify(comparable(user)) !== JSON.stringify(comparable(shown)))
      found.push(`${id} is at version ${shown.version}, not ${user.version}`)
  }
  for (const [id, shown] of readModel) if (!shown.deletedAt && !users.has(id)) found.push(`${id} is an orphan`)
  return found
}

/**
 * Waits until the read models match the write side.
 * @returns how many ms it took, and the differences that remain after the timeout
 */
export async function untilWhole(write: Db, read: Db, timeoutMs: number): Promise<{ ms: number; differing: string[] }> {
  const from = performance.now()
  let differing: string[] = ['they could not be compared']
  await eventually(
    async () => {
      differing = await differences(write, read)
      return differing.length === 0
    },
    { timeoutMs, intervalMs: 100 },
  ).catch(() => undefined)
  return { ms: performance.now() - from, differing }
}

/** Acknowledged commands that the write model does not contain, and deletions that nobody asked for. */
export async function lostCommands(write: Db, acknowledged: Acknowledged): Promise<string[]> {
  const users = await rows(write, 'users')
  return [...acknowledged].flatMap(([id, { version, deleted, mayBeDeleted }]) => {
    const user = users.get(id)
    if (!user) return [`${id} was acknowledged and is not there`]
    if (user.version < version) return [`${id} is at ${user.version}, and ${version} was acknowledged`]
    if (user.deletedAt && !deleted && !mayBeDeleted) return [`${id} is deleted, and nobody asked for it`]
    return deleted && !user.deletedAt ? [`${id} was deleted, and is there`] : []
  })
}

/** Of a tombstone only its existence is compared: a user deleted before it became visible may have none. */
const comparable = ({ _id, version, deletedAt, email, name, roles, isActive, createdAt, updatedAt }: Row) =>
  deletedAt ? { _id, deletedAt } : { _id, version, email, name, roles, isActive, createdAt, updatedAt }

async function rows(db: Db, collection: string): Promise<Map<string, Row>> {
  const fields = { version: 1, deletedAt: 1, email: 1, name: 1, roles: 1, isActive: 1, createdAt: 1, updatedAt: 1 }
  const documents = await db.collection<Row>(collection).find({}, { projection: fields }).toArray()
  return new Map(documents.map((document) => [document._id, document as Row]))
}

/** The sums of `user_stats_v1`, in the shape that `count` returns. */
async function statistics(read: Db) {
  const collection = read.collection<UserStatsSums>(await liveCollection(read, 'user_stats'))
  const sums = await collection.findOne({ _id: userStatsSums })
  const { buyer = 0, seller = 0 } = sums?.byRole ?? {}
  return { users: sums?.users ?? 0, active: sums?.active ?? 0, buyer, seller }
}

const count = (living: Row[]) => ({
  users: living.length,
  active: living.filter(({ isActive }) => isActive).length,
  buyer: living.filter(({ roles }) => roles.includes('buyer')).length,
  seller: living.filter(({ roles }) => roles.includes('seller')).length,
})

async function shownIn(read: Db, readModel: ReadModelName) {
  const name = await liveCollection(read, readModel)
  return { name, rows: await rows(read, name) }
}

async function liveCollection(read: Db, readModel: ReadModelName): Promise<string> {
  const live = await read.collection<LiveShape>(readModelsCollection).findOne({ _id: readModel })
  const shape = shapeName(readModel, live?.shape ?? 1)
  return (await read.collection<ShapeState>(readModelsCollection).findOne({ _id: shape }))?.live ?? shape
}
