import { randomUUID } from 'node:crypto'
import type { CollectionPlan } from '@cqrs/service-kit'
import type { Collection, Db } from 'mongodb'

type Identity = { _id: 'write-database'; writeDatabase: string; firstAdminAt?: Date }

export const identityCollection: CollectionPlan = { name: 'identity', indexes: [] }

/** Gives the write database its identity, unless it has one. A backup contains it, an empty database does not. */
export async function ensureIdentity(db: Db): Promise<void> {
  const identity = { $setOnInsert: { writeDatabase: randomUUID() } }
  await identities(db).updateOne({ _id: 'write-database' }, identity, { upsert: true })
}

/** @throws Error if the database has none: it was emptied, or never migrated */
export async function identityOf(db: Db): Promise<string> {
  const identity = await identities(db).findOne({ _id: 'write-database' })
  if (!identity) throw new Error('the write database has no identity: run `node dist/migrate.js`')
  return identity.writeDatabase
}

export type FirstAdmin = ReturnType<typeof firstAdmin>

/** Remembers that the admin of the settings was created once. After that, only admins decide who is one. */
export const firstAdmin = (db: Db) => ({
  wasCreated: async (): Promise<boolean> =>
    (await identities(db).findOne({ _id: 'write-database', firstAdminAt: { $exists: true } })) !== null,
  async noteCreated(): Promise<void> {
    await identities(db).updateOne({ _id: 'write-database' }, { $currentDate: { firstAdminAt: true } })
  },
})

const identities = (db: Db): Collection<Identity> =>
  db.collection(identityCollection.name, { readConcern: { level: 'majority' } })
