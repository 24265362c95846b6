import type { CollectionPlan } from '@cqrs/service-kit'
import type { Collection, Db } from 'mongodb'

export const followedCollection: CollectionPlan = { name: 'followed', indexes: [] }

/** Remembers in the read database which write database it follows, by the identity in contracts/sync.ts. */
export class FollowedDatabase {
  readonly #followed: Collection<{ _id: string; writeDatabase: string }>

  constructor(db: Db) {
    this.#followed = db.collection(followedCollection.name)
  }

  /** The database that is followed. If there is none yet, it is `contacted` from now on. */
  async orFirst(contacted: string): Promise<string> {
    const followed = await this.current()
    if (followed) return followed
    await this.#followed.updateOne(one, { $setOnInsert: { writeDatabase: contacted } }, { upsert: true })
    return (await this.current()) ?? contacted
  }

  async current(): Promise<string | undefined> {
    return (await this.#followed.findOne(one))?.writeDatabase
  }

  /** Follows this database from now on: a person's decision. */
  async follow(writeDatabase: string): Promise<void> {
    await this.#followed.updateOne(one, { $set: { writeDatabase } }, { upsert: true })
  }
}

const one = { _id: 'write-database' }
