import type { UserReadTombstone } from '@cqrs/contracts'
import { type Collection, type Db, MongoServerError } from 'mongodb'
import { once } from './once.ts'
import type { ReadModel } from './read-model.ts'

/** Remembers who was sent a welcome e-mail. Only the user's id is kept, so there is nothing to erase later. */
export class WelcomeEmailRecord {
  readonly #sent: Collection<{ _id: string; sentAt: Date }>
  readonly #db: Db
  readonly #users: Pick<ReadModel, 'live'>
  /** Left to the first writers, they would contend for it: a batch of mails is recorded side by side. */
  readonly #ensureCollection: () => Promise<unknown>

  /** @param users the read model that tells who was deleted */
  constructor(db: Db, users: Pick<ReadModel, 'live'>) {
    this.#db = db
    this.#users = users
    this.#sent = db.collection('welcome_emails')
    this.#ensureCollection = once(() => db.createCollection(this.#sent.collectionName).catch(unlessItExists))
  }

  /** False when it was sent already, or the user has been deleted meanwhile. */
  async isDue(userId: string): Promise<boolean> {
    const users = this.#db.collection<UserReadTombstone>(await this.#users.live())
    const [sent, deleted] = await Promise.all([
      this.#sent.findOne({ _id: userId }),
      users.findOne({ _id: userId, deletedAt: { $exists: true } }),
    ])
    return !sent && !deleted
  }

  /** For good, and also if it is marked already. */
  async markSent(userId: string): Promise<void> {
    await this.#ensureCollection()
    await this.#sent.updateOne({ _id: userId }, { $setOnInsert: { sentAt: new Date() } }, { upsert: true })
  }
}

function unlessItExists(error: unknown): void {
  if (!(error instanceof MongoServerError && error.codeName === 'NamespaceExists')) throw error
}
