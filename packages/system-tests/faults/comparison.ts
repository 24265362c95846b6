import { eventually } from '@cqrs/local-stack/testing'
import type { Db } from 'mongodb'
import type { Acknowledged } from './load.ts'

type Row = { _id: string; version: number; deletedAt?: Date } & Record<string, unknown>

/** Documents that differ between `users` and `users_read`, told in words; none where the read model is whole. */
export async function differences(write: Db, read: Db): Promise<string[]> {
  const [users, readModels] = await Promise.all([rows(write, 'users'), rows(read, await liveCollection(read))])
  const found: string[] = []
  for (const [id, user] of users) {
    const shown = readModels.get(id)
    if (!user.deletedAt && !shown) found.push(`${id} is missing`)
    else if (shown && JSON.stringify(comparable(user)) !== JSON.stringify(comparable(shown)))
      found.push(`${id} is at version ${shown.version}, not ${user.version}`)
  }
  for (const [id, shown] of readModels) if (!shown.deletedAt && !users.has(id)) found.push(`${id} is an orphan`)
  return found
}

/** Waits until the read model is whole. @returns after how many ms. Fails with what differs when it is not in time. */
export async function untilWhole(write: Db, read: Db, timeoutMs: number): Promise<number> {
  const from = performance.now()
  let found: string[] = []
  await eventually(
    async () => {
      found = await differences(write, read)
      return found.length === 0
    },
    { timeoutMs, intervalMs: 100 },
  ).catch(() => {
    throw new Error(`after ${timeoutMs} ms ${found.length} documents differ: ${found.slice(0, 5).join('; ')}`)
  })
  return performance.now() - from
}

/** Acknowledged commands that the write model does not know of. */
export async function lostCommands(write: Db, acknowledged: Acknowledged): Promise<string[]> {
  const users = await rows(write, 'users')
  return [...acknowledged].flatMap(([id, { version, deleted }]) => {
    const user = users.get(id)
    if (!user) return [`${id} was acknowledged and is not there`]
    if (user.version < version) return [`${id} is at ${user.version}, and ${version} was acknowledged`]
    return deleted && !user.deletedAt ? [`${id} was deleted, and is there`] : []
  })
}

/** Of a tombstone only that it is one: a user deleted before it was ever shown may have none. */
const comparable = ({ _id, version, deletedAt, email, name, roles, isActive, createdAt, updatedAt }: Row) =>
  deletedAt ? { _id, deletedAt } : { _id, version, email, name, roles, isActive, createdAt, updatedAt }

async function rows(db: Db, collection: string): Promise<Map<string, Row>> {
  const fields = { version: 1, deletedAt: 1, email: 1, name: 1, roles: 1, isActive: 1, createdAt: 1, updatedAt: 1 }
  const documents = await db.collection<Row>(collection).find({}, { projection: fields }).toArray()
  return new Map(documents.map((document) => [document._id, document as Row]))
}

async function liveCollection(read: Db): Promise<string> {
  const state = await read.collection<{ _id: string; live: string }>('read_models').findOne({ _id: 'users_read' })
  return state?.live ?? 'users_read'
}
