import { randomUUID } from 'node:crypto'
import type { UserReadTombstone } from '@cqrs/contracts'
import { isDuplicateKey } from '@cqrs/service-kit'
import type { Collection, Db } from 'mongodb'
import { TryLater } from '../consuming/failures.ts'
import type { ReadModel } from '../read-store/read-model.ts'

/**
 * The state of a user's welcome e-mail: claimed by a process, handed over by it, or sent. Only the user's id is kept,
 * so there is nothing to erase later.
 */
type WelcomeEmail = { _id: string; claimedBy?: string; claimedUntil?: Date; handedOverAt?: Date; sentAt?: Date }

export const welcomeEmailsCollection = 'welcome_emails'

/** Records who was sent a welcome e-mail, and which process is sending one. */
export class WelcomeEmailRecord {
  readonly #emails: Collection<WelcomeEmail>
  readonly #db: Db
  readonly #users: Pick<ReadModel, 'live'>
  readonly #process = randomUUID()

  /** @param users the read model that shows who was deleted */
  constructor(db: Db, users: Pick<ReadModel, 'live'>) {
    this.#db = db
    this.#users = users
    this.#emails = db.collection(welcomeEmailsCollection)
  }

  /**
   * Claims the mail for this process, which may claim it again at any time. The claim of another process is taken over
   * only after it expired, and only if the mail was not handed over.
   * @returns `not due` when the mail was sent or the user was deleted; `unknown` when a process died after the
   * hand-over, so that nobody can know whether the mail was sent
   * @throws TryLater while another process may still be sending it
   */
  async claim(userId: string): Promise<'claimed' | 'not due' | 'unknown'> {
    const users = this.#db.collection<UserReadTombstone>(await this.#users.live())
    if (await users.findOne({ _id: userId, deletedAt: { $exists: true } })) return 'not due'
    const expired = { handedOverAt: { $exists: false }, claimedUntil: { $lt: new Date() } }
    const free = { _id: userId, sentAt: { $exists: false }, $or: [{ claimedBy: this.#process }, expired] }
    const claim = { claimedBy: this.#process, claimedUntil: claimedUntil() }
    try {
      await this.#emails.updateOne(free, { $set: claim, $unset: { handedOverAt: true } }, { upsert: true })
      return 'claimed'
    } catch (error) {
      if (!isDuplicateKey(error)) throw error // otherwise the document exists and is not free
    }
    const email = await this.#emails.findOne({ _id: userId })
    if (email?.sentAt) return 'not due'
    if (email?.handedOverAt && email.claimedUntil && email.claimedUntil < new Date()) return 'unknown'
    throw new TryLater('another process is sending this mail')
  }

  /** Called before the end of the mail is sent. @throws Error when another process has taken over the claim */
  async handOver(userId: string): Promise<void> {
    const { matchedCount } = await this.#emails.updateOne(
      { _id: userId, claimedBy: this.#process },
      { $set: { handedOverAt: new Date(), claimedUntil: claimedUntil() } },
    )
    if (matchedCount === 0) throw new Error('another process has taken over this mail')
  }

  /** The mail was not sent: any process may try next. */
  async release(userId: string): Promise<void> {
    await this.#emails.deleteOne({ _id: userId, claimedBy: this.#process })
  }

  /** Safe to repeat. */
  async markSent(userId: string): Promise<void> {
    await this.#emails.replaceOne({ _id: userId }, { sentAt: new Date() }, { upsert: true })
  }
}

/**
 * 30 s: longer than the mailer waits for a response, so that no claim of a live process expires after the hand-over.
 */
const claimedUntil = (): Date => new Date(Date.now() + 30_000)
