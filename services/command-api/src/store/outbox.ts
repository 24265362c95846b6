import type { UserEvent } from '@cqrs/contracts'
import type { AnyBulkWriteOperation, Collection, Db } from 'mongodb'
import { type TombstoneDocument, type UserDocument, usersCollection } from './user-document.ts'

/** A tombstone outlives its last event by more than any copy of an older event can take to arrive. */
const tombstoneLifetimeMs = 30 * 24 * 3600 * 1000

/** The events in `users` that JetStream has not acknowledged yet. */
export class Outbox {
  readonly #users: Collection<UserDocument | TombstoneDocument>

  constructor(db: Db) {
    this.#users = db.collection(usersCollection)
  }

  /** The pending events of up to `limit` users that have been waiting since before `before`, longest first. */
  async pending(before: Date, limit: number): Promise<UserEvent[]> {
    const documents = await this.#users
      .find({ pendingSince: { $lt: before } }, { projection: { outbox: 1 } })
      .sort({ pendingSince: 1 })
      .limit(limit)
      .toArray()
    return documents.flatMap(({ outbox }) => outbox)
  }

  /**
   * Removes published events. A document with an empty outbox leaves the index of pending ones.
   * @returns the ids of those users that are deleted
   */
  async remove(published: { subject: string; id: string }[]): Promise<string[]> {
    if (published.length === 0) return []
    const byUser = Map.groupBy(published, ({ subject }) => subject)
    const operations = [...byUser].map(
      ([_id, events]): AnyBulkWriteOperation<UserDocument | TombstoneDocument> => ({
        updateOne: { filter: { _id }, update: removal(events.map(({ id }) => id)) },
      }),
    )
    await this.#users.bulkWrite(operations, { ordered: false })
    const deleted = this.#users.find({ _id: { $in: [...byUser.keys()] }, deletedAt: { $exists: true } })
    return deleted.map(({ _id }) => _id).toArray()
  }

  /** How many users have pending events, and the age in seconds of the oldest. */
  async backlog(): Promise<{ users: number; oldestSeconds: number }> {
    const pending = { pendingSince: { $exists: true } }
    const [users, oldest] = await Promise.all([
      this.#users.countDocuments(pending, { hint: 'pending' }),
      this.#users.findOne(pending, { projection: { pendingSince: 1 }, sort: { pendingSince: 1 } }),
    ])
    return { users, oldestSeconds: oldest?.pendingSince ? (Date.now() - oldest.pendingSince.getTime()) / 1000 : 0 }
  }
}

const removal = (eventIds: string[]) => [
  {
    $set: { outbox: { $filter: { input: '$outbox', cond: { $not: { $in: ['$$this.id', { $literal: eventIds }] } } } } },
  },
  { $set: { pendingSince: { $cond: [drained, '$$REMOVE', '$pendingSince'] } } },
  // A tombstone starts to age only when its outbox is empty.
  {
    $set: {
      expiresAt: {
        $cond: [{ $and: [drained, '$deletedAt'] }, { $add: ['$deletedAt', tombstoneLifetimeMs] }, '$$REMOVE'],
      },
    },
  },
]

const drained = { $eq: ['$outbox', []] }
