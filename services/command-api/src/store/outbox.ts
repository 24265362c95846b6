import type { OutboxReply, UserEvent } from '@cqrs/contracts'
import { type AnyBulkWriteOperation, BSON, type Collection, type Db } from 'mongodb'
import { maxPendingEvents, type TombstoneDocument, type UserDocument, usersCollection } from './user-document.ts'

/** A tombstone outlives its last event by more than any copy of an older event can take to arrive. */
const tombstoneLifetimeMs = 30 * 24 * 3600 * 1000

/**
 * Younger events are probably being published by the process that wrote them. By the database's clock, and since each
 * of its nodes has its own, a time in the future is due as well.
 */
const graceMs = 2_000

/** A batch ends with the document that exceeds one of these; a document adds as many events and 16 MiB at most. */
const batch = { events: 2_000, bytes: 4 * 2 ** 20, documents: 500 }

/**
 * A deleted user's events are purged from the stream at once, and again so long after the purge before: a publish that
 * timed out elsewhere can still arrive, when a cut connection or a suspended process comes back.
 */
const eraseAgainAfterMs = [2 * 60_000, 3_600_000, 24 * 3_600_000]

/** The events in `users` that JetStream has not acknowledged yet, and the deleted users to erase from the stream. */
export class Outbox {
  readonly #users: Collection<UserDocument | TombstoneDocument>

  constructor(db: Db) {
    this.#users = db.collection(usersCollection)
  }

  /** All pending events except very recent ones, in bounded batches, starting with the users that wait longest. */
  async *pending(): AsyncGenerator<UserEvent[]> {
    const found = this.#users
      .find(
        { pendingSince: { $exists: true }, $expr: isDue },
        { projection: { pendingSince: 1, outbox: { $slice: batch.events } }, ...committed },
      )
      .sort({ pendingSince: 1 })
      .batchSize(batch.documents)
    let events: UserEvent[] = []
    let bytes = 0
    for await (const document of found) {
      events.push(...document.outbox)
      bytes += BSON.calculateObjectSize(document)
      if (events.length < batch.events && bytes < batch.bytes) continue
      yield events
      events = []
      bytes = 0
    }
    if (events.length > 0) yield events
  }

  /**
   * Removes published events. A document with an empty outbox leaves the index of pending ones. A deleted user is to be
   * erased from the stream again: the event may have arrived after the purge.
   */
  async remove(published: readonly { subject: string; id: string }[]): Promise<void> {
    if (published.length === 0) return
    const operations = [...Map.groupBy(published, ({ subject }) => subject)].map(
      ([_id, events]): AnyBulkWriteOperation<UserDocument | TombstoneDocument> => ({
        updateOne: { filter: { _id }, update: removal(events.map(({ id }) => id)) },
      }),
    )
    await this.#users.bulkWrite(operations, { ordered: false })
  }

  /** Up to `limit` deleted users whose events are to be purged from the stream now. */
  async toErase(limit: number): Promise<Erasure[]> {
    const due = { eraseAt: { $exists: true }, $expr: { $lte: ['$eraseAt', '$$NOW'] } }
    const found = this.#users.find(due, { projection: { eraseAt: 1 }, ...committed }).sort({ eraseAt: 1 })
    return (await found.limit(limit).toArray()) as Erasure[]
  }

  /** Notes that these were purged, unless another event was published since. */
  async erased(erasures: Erasure[]): Promise<void> {
    if (erasures.length === 0) return
    const done = { $ifNull: ['$erasures', 0] }
    const next = { $add: ['$$NOW', { $arrayElemAt: [eraseAgainAfterMs, done] }] }
    const update = [{ $set: { eraseAt: { $ifNull: [next, '$$REMOVE'] }, erasures: { $add: [done, 1] } } }]
    await this.#users.bulkWrite(
      erasures.map((filter) => ({ updateOne: { filter, update } })),
      { ordered: false },
    )
  }

  /**
   * How many users have pending events, counted up to 100,000, the age in seconds of the oldest, and how many of the
   * 10,000 users that wait longest have an outbox that is nearly full.
   */
  async backlog(): Promise<{ users: number; oldestSeconds: number; crowded: number }> {
    const pending = { pendingSince: { $exists: true } }
    const isCrowded = { [`outbox.${Math.ceil(maxPendingEvents * 0.8) - 1}`]: { $exists: true } }
    const [users, oldest, crowded] = await Promise.all([
      this.#users.countDocuments(pending, { hint: 'pending', limit: 100_000 }),
      this.#users.findOne<{ seconds: number }>(pending, {
        projection: { seconds: { $divide: [{ $subtract: ['$$NOW', '$pendingSince'] }, 1_000] } },
        sort: { pendingSince: 1 },
      }),
      this.#users
        .aggregate([
          { $match: pending },
          { $sort: { pendingSince: 1 } },
          { $limit: 10_000 },
          { $match: isCrowded },
          { $count: 'users' },
        ])
        .next(),
    ])
    return { users, oldestSeconds: Math.max(0, oldest?.seconds ?? 0), crowded: crowded?.['users'] ?? 0 }
  }

  /** The 100 users that wait longest, with how many events, and the number of all. */
  async longestWaiting(): Promise<Omit<OutboxReply, 'writeDatabase'>> {
    const [{ users, oldestSeconds }, data] = await Promise.all([
      this.backlog(),
      this.#users
        .find({ pendingSince: { $exists: true } })
        .project<OutboxReply['data'][number]>({
          _id: 0,
          id: '$_id',
          events: { $size: '$outbox' },
          pendingSince: { $dateToString: { date: '$pendingSince' } },
        })
        .sort({ pendingSince: 1 })
        .limit(100)
        .toArray(),
    ])
    return { users, oldestSeconds, data }
  }
}

/** A tombstone, and when it is due. */
export type Erasure = { _id: string; eraseAt: Date }

/** What a fail-over could still undo must not leave the process. */
const committed = { readConcern: { level: 'majority' } } as const

const isDue = { $gt: [{ $abs: { $subtract: ['$$NOW', '$pendingSince'] } }, graceMs] }

const removal = (eventIds: string[]) => [
  { $set: { outbox: { $cond: [beginsWith(eventIds), afterFirst(eventIds.length), without(eventIds)] } } },
  {
    $set: {
      pendingSince: { $cond: [drained, '$$REMOVE', '$pendingSince'] },
      // A tombstone starts to age only when its outbox is empty.
      expiresAt: {
        $cond: [{ $and: [drained, '$deletedAt'] }, { $add: ['$deletedAt', tombstoneLifetimeMs] }, '$$REMOVE'],
      },
      eraseAt: { $cond: ['$deletedAt', '$$NOW', '$$REMOVE'] },
      erasures: { $cond: ['$deletedAt', 0, '$$REMOVE'] },
    },
  },
]

const beginsWith = (eventIds: string[]) => ({
  $eq: [{ $slice: ['$outbox.id', eventIds.length] }, { $literal: eventIds }],
})
/** The usual case, and quick: `without` compares every pair, which takes seconds for tens of thousands of events. */
const afterFirst = (count: number) => ({ $slice: ['$outbox', count, 2 ** 31 - 1] })
const without = (eventIds: string[]) => ({
  $filter: { input: '$outbox', cond: { $not: { $in: ['$$this.id', { $literal: eventIds }] } } },
})
const drained = { $eq: ['$outbox', []] }
