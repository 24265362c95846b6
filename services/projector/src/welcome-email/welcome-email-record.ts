import { randomUUID } from 'node:crypto'
import type { UserReadTombstone } from '@cqrs/contracts'
import { isDuplicateKey } from '@cqrs/service-kit'
import type { Collection, Db } from 'mongodb'
import { TryLater } from '../consuming/failures.ts'
import type { ReadModel } from '../read-store/read-model.ts'

/**
 * How a user's welcome e-mail stands: claimed by a process, handed over by it, or sent. Only the user's id is kept for
 * good, so there is nothing to erase later.
 */
type WelcomeEmail = { _id: string; claimedBy?: string; claimedUntil?: Date; handedOverAt?: Date; sentAt?: Date }

export const welcomeEmailsCollection = 'welcome_emails'

/** Remembers who was sent a welcome e-mail, and which process is sending one. */
export class WelcomeEmailRecord {
  readonly #emails: Collection<WelcomeEmail>
  readonly #db: Db
  readonly #users: Pick<ReadModel, 'live'>
  readonly #process = randomUUID()

  /** @param users the read model that tells who was deleted */
  constructor(db: Db, users: Pick<ReadModel, 'live'>) {
    this.#db = db
    this.#users = users
    this.#emails = db.collection(welcomeEmailsCollection)
  }

  /**
   * Claims the mail for this process, which may claim it again whatever became of it before. Of another process only a
   * claim that has run out is taken over, and only where the mail was not handed over yet.
   * @returns `not due` when it was sent already, or the user has been deleted meanwhile; `unknown` when a process died
   * that had handed it over: whether it was sent cannot be known any more
   * @throws TryLater while another process may still be sending it
   */
  async claim(userId: string): Promise<'claimed' | 'not due' | 'unknown'> {
    const users = this.#db.collection<UserReadTombstone>(await this.#users.live())
    if (await users.findOne({ _id: userId, deletedAt: { $exists: true } })) return 'not due'
    const runOut = { handedOverAt: { $exists: false }, claimedUntil: { $lt: new Date() } }
    const free = { _id: userId, sentAt: { $exists: false }, $or: [{ claimedBy: this.#process }, runOut] }
    const claim = { claimedBy: this.#process, claimedUntil: claimedUntil() }
    try {
      await this.#emails.updateOne(free, { $set: claim, $unset: { handedOverAt: true } }, { upsert: true })
      return 'claimed'
    } catch (error) {
      if (!isDuplicateKey(error)) throw error // the upsert met a document that is not free
    }
    const email = await this.#emails.findOne({ _id: userId })
    if (email?.sentAt) return 'not due'
    if (email?.handedOverAt && email.claimedUntil && email.claimedUntil < new Date()) return 'unknown'
    throw new TryLater('another process is sending this mail')
  }

  /** The mail server is about to get the end of the mail. @throws Error when the claim has passed to another process */
  async handOver(userId: string): Promise<void> {
    const { matchedCount } = await this.#emails.updateOne(
      { _id: userId, claimedBy: this.#process },
      { $set: { handedOverAt: new Date(), claimedUntil: claimedUntil() } },
    )
    if (matchedCount === 0) throw new Error('another process has taken this mail over')
  }

  /** The mail was not sent after all: whoever comes next may try. */
  async release(userId: string): Promise<void> {
    await this.#emails.deleteOne({ _id: userId, claimedBy: this.#process })
  }

  /** For good, and also if it is marked already. */
  async markSent(userId: string): Promise<void> {
    await this.#emails.replaceOne({ _id: userId }, { sentAt: new Date() }, { upsert: true })
  }
}

/** 30 s: longer than the mailer waits for an answer, so that no claim of a living process runs out after the hand-over. */
const claimedUntil = (): Date => new Date(Date.now() + 30_000)
