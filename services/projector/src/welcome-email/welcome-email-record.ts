import { randomUUID } from 'node:crypto'
import type { aboutEvent, UserReadDocument, UserReadTombstone } from '@cqrs/contracts'
import { type CollectionPlan, inMs } from '@cqrs/service-kit'
import type { Collection, Db, Document } from 'mongodb'
import type { ReadModel } from '../read-store/read-model.ts'

/**
 * The state of a user's welcome e-mail: claimed by a process, handed over by it, or waiting for the next attempt; in
 * the end sent, or lost because a process died after the hand-over. Only ids are kept, so there is nothing to erase
 * later.
 *
 * `claimedUntil` is when any process may try the mail: after a claim expires, or when a waiting mail is due. It is by
 * the clock of the database; one that is further away than any can be was set by a wrong clock, and is over.
 */
type WelcomeEmail = {
  _id: string
  claimedUntil?: Date
  claimedBy?: string
  handedOverAt?: Date
  registeredAt?: Date
  about?: AboutRegistration
  traceparent?: string
  /** How often the server did not accept this mail. */
  attempts?: number
  sentAt?: Date
  lostAt?: Date
}

/** What log lines say of the registration, also when the mail has waited. */
export type AboutRegistration = ReturnType<typeof aboutEvent>

/** What is kept of a registration for its mail. */
export type Registration = {
  userId: string
  registeredAt: Date
  about?: AboutRegistration | undefined
  traceparent?: string | undefined
}

/** A mail that waited, and the user as the read model shows it: undefined if it does not show the user yet. */
export type DueMail = Registration & { user: UserReadDocument | undefined }

export const welcomeEmailsCollection: CollectionPlan = {
  name: 'welcome_emails',
  // Only mails that are not finished have the field.
  indexes: [{ name: 'due', key: { claimedUntil: 1 }, sparse: true }],
}

/** Records who was sent a welcome e-mail, which process is sending one, and which mails wait for the next attempt. */
export class WelcomeEmailRecord {
  readonly #emails: Collection<WelcomeEmail>
  readonly #db: Db
  readonly #users: Pick<ReadModel, 'live'>
  readonly #process = randomUUID()

  /** @param users the read model that shows who was deleted */
  constructor(db: Db, users: Pick<ReadModel, 'live'>) {
    this.#db = db
    this.#users = users
    this.#emails = db.collection(welcomeEmailsCollection.name)
  }

  /**
   * Claims the mail for this process, which may claim it again at any time. The claim of another process is taken over
   * only after it expired, and only if the mail was not handed over.
   * @returns `not due` when the mail was sent, waits or is being sent, or the user was deleted; `lost` when a process
   * died after the hand-over, so that nobody can know whether the mail was sent
   */
  async claim({ userId, registeredAt, about, traceparent }: Registration): Promise<'claimed' | 'not due' | 'lost'> {
    const users = this.#db.collection<UserReadTombstone>(await this.#users.live())
    if (await users.findOne({ _id: userId, deletedAt: { $exists: true } })) return 'not due'
    const claimed = {
      _id: '$_id',
      claimedBy: this.#process,
      claimedUntil: inMs(claimMs),
      registeredAt: { $ifNull: ['$registeredAt', registeredAt] },
      about: { $ifNull: ['$about', about ? { $literal: about } : '$$REMOVE'] },
      traceparent: { $ifNull: ['$traceparent', traceparent ? { $literal: traceparent } : '$$REMOVE'] },
      attempts: { $ifNull: ['$attempts', 0] },
    }
    const isFinished = { $gt: [{ $ifNull: ['$sentAt', '$lostAt'] }, null] }
    const isMine = { $eq: ['$claimedBy', this.#process] }
    const isOver = { $or: [{ $lte: ['$claimedUntil', '$$NOW'] }, { $gt: ['$claimedUntil', inMs(farMs)] }] }
    const isHandedOver = { $gt: ['$handedOverAt', null] }
    const lost = { _id: '$_id', lostAt: '$$NOW' }
    const takenOver = when(isOver, when(isHandedOver, lost, claimed), '$$ROOT')
    const email = await this.#emails.findOneAndUpdate(
      { _id: userId },
      [{ $replaceWith: when(isFinished, '$$ROOT', when(isMine, claimed, takenOver)) }],
      { upsert: true, returnDocument: 'after' },
    )
    if (email?.lostAt) return 'lost'
    return email?.claimedBy === this.#process ? 'claimed' : 'not due'
  }

  /** Called before the end of the mail is sent. @throws Error when another process has taken over the claim */
  async handOver(userId: string): Promise<void> {
    if (!(await this.#change(userId, { handedOverAt: '$$NOW', claimedUntil: inMs(handOverMs) })))
      throw new Error('another process has taken over this mail')
  }

  /**
   * The mail was not sent and waits. If the server did not accept this mail alone (`counts`), it waits 5 s, 20 s,
   * 80 s, … up to an hour.
   */
  async defer(userId: string, { counts }: { counts: boolean }): Promise<void> {
    const delay = { $min: [{ $multiply: [5_000, { $pow: [4, { $min: ['$attempts', 10] }] }] }, longestMs] }
    await this.#change(userId, {
      claimedBy: '$$REMOVE',
      handedOverAt: '$$REMOVE',
      claimedUntil: counts ? { $add: ['$$NOW', delay] } : '$$NOW',
      attempts: counts ? { $add: ['$attempts', 1] } : '$attempts',
    })
  }

  /** The mails to try now, the longest due first. The records of deleted users are removed. */
  async due(limit: number): Promise<DueMail[]> {
    const now: Date = (await this.#db.command({ hello: 1 }))['localTime']
    const far = new Date(now.getTime() + farMs)
    const due = { $or: [{ claimedUntil: { $lte: now } }, { claimedUntil: { $gt: far } }] }
    const emails = await this.#emails.find(due).sort({ claimedUntil: 1 }).limit(limit).toArray()
    const ids = emails.map(({ _id }) => _id)
    const live = this.#db.collection<UserReadDocument & { deletedAt?: Date }>(await this.#users.live())
    const found = ids.length > 0 ? await live.find({ _id: { $in: ids } }).toArray() : []
    const users = new Map(found.map((user) => [user._id, user]))
    const deleted = found.filter(({ deletedAt }) => deletedAt).map(({ _id }) => _id)
    if (deleted.length > 0) await this.#emails.deleteMany({ _id: { $in: deleted } })
    return emails
      .filter(({ _id }) => !deleted.includes(_id))
      .map(({ _id, ...email }) => ({ registeredAt: now, ...email, userId: _id, user: users.get(_id) }))
  }

  /** How many mails are not finished. */
  unfinished(): Promise<number> {
    return this.#emails.countDocuments({ claimedUntil: { $gt: new Date(0) } }, { hint: 'due', limit: 100_000 })
  }

  /** The mail will not be sent; a new registration event may claim it. */
  async release(userId: string): Promise<void> {
    await this.#emails.deleteOne({ _id: userId, sentAt: { $exists: false } })
  }

  /** Safe to repeat. */
  async markSent(userId: string): Promise<void> {
    await this.#emails.updateOne({ _id: userId }, [{ $replaceWith: { _id: '$_id', sentAt: '$$NOW' } }], {
      upsert: true,
    })
  }

  /** @returns false if this process does not hold the claim */
  async #change(userId: string, fields: Document): Promise<boolean> {
    const claim = { _id: userId, claimedBy: this.#process }
    return (await this.#emails.updateOne(claim, [{ $set: fields }])).matchedCount > 0
  }
}

const when = (condition: Document, yes: unknown, no: unknown) => ({ $cond: [condition, yes, no] })

const claimMs = 30_000
/**
 * No other process may try the mail, so a long time costs nothing: the process that handed it over may have learned the
 * outcome and only lack the database to record it.
 */
const handOverMs = 600_000
/** The longest time that a mail waits for its next attempt. */
const longestMs = 3_600_000
/** Further away than any time that a right clock sets. */
const farMs = 2 * longestMs
