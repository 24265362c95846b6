import { Refusal } from '@cqrs/contracts'
import { isDuplicateKey } from '@cqrs/service-kit'
import type { Collection, Db } from 'mongodb'
import type { Change, Tombstone, User } from '../domain/user.ts'
import type { Done, UpdateDone } from './done.ts'
import { type UserDocument, usersCollection } from './user-document.ts'

/** The write model. Each method is one atomic operation on one document, so it needs no transaction. */
export class UserRepository {
  readonly #users: Collection<UserDocument>
  readonly #isSetUp: () => Promise<boolean>

  /** @param isSetUp whether the indexes are there */
  constructor(db: Db, isSetUp: () => Promise<boolean>) {
    this.#users = db.collection(usersCollection)
    this.#isSetUp = isSetUp
  }

  async findById(id: string): Promise<User | undefined> {
    // A tombstone has no e-mail address.
    return found(await this.#users.findOne({ _id: id, email: { $exists: true } }, withoutOutbox))
  }

  /** @param email in its normalised form */
  async findByEmail(email: string): Promise<User | undefined> {
    return found(await this.#users.findOne({ email }, withoutOutbox))
  }

  /** The user that was registered with this idempotency key, while that counts. */
  async findRegistered(key: string): Promise<{ user: User; done: Done } | undefined> {
    const document = await this.#users.findOne({ 'registrationDone.key': key }, { projection: { outbox: 0 } })
    if (!document?.registrationDone) return undefined
    const { registrationDone: done } = document
    if (done.at > stillCounting()) return { user: toUser(document), done }
    await this.#users.updateOne({ _id: document._id, 'registrationDone.key': key }, { $unset: { registrationDone: 1 } })
    return undefined
  }

  /** What is kept of a user's update with this idempotency key, while that counts. */
  async findUpdate(id: string, key: string): Promise<UpdateDone | undefined> {
    const updatesDone = updatedWith(key)
    const document = await this.#users.findOne({ _id: id, updatesDone }, { projection: { updatesDone } })
    return document?.updatesDone?.[0]
  }

  /**
   * @throws Refusal `email-taken`, also where another registration came first with the same idempotency key;
   * `storage-unavailable` where the database is not set up yet
   */
  async insert({ state, event }: Change, registrationDone?: Done): Promise<void> {
    // Without the unique index two users could share an address.
    if (!(await this.#isSetUp())) throw new Refusal('storage-unavailable')
    const { id, ...fields } = state
    try {
      await this.#users.insertOne({
        _id: id,
        ...fields,
        outbox: [event],
        pendingSince: state.updatedAt,
        ...(registrationDone && { registrationDone }),
      })
    } catch (error) {
      if (isDuplicateKey(error)) throw new Refusal('email-taken')
      throw error
    }
  }

  /**
   * Replaces a user that still has the expected version, unless it was already updated with the same idempotency key.
   * @returns whether it replaced it
   */
  async save({ state, event }: Change, expectedVersion: number, updated?: UpdateDone): Promise<boolean> {
    const { id, ...fields } = state
    const { matchedCount } = await this.#users.updateOne(
      { _id: id, version: expectedVersion, ...(updated && notUpdatedWith(updated.key)) },
      {
        $set: fields,
        $push: { outbox: event, ...(updated && lastOf(updated)) },
        $min: { pendingSince: state.updatedAt },
      },
    )
    return matchedCount === 1
  }

  /** The same for an update that has nothing to change: it is only recorded. @returns whether it was */
  async note(id: string, updated: UpdateDone): Promise<boolean> {
    const unchanged = { _id: id, version: updated.version, email: { $exists: true }, ...notUpdatedWith(updated.key) }
    const { matchedCount } = await this.#users.updateOne(unchanged, { $push: lastOf(updated) })
    return matchedCount === 1
  }

  /** Replaces the hash of a password that is still the same. Nobody else sees a difference, so the version stays. */
  async replaceHash(id: string, { from, to }: { from: string; to: string }): Promise<void> {
    await this.#users.updateOne({ _id: id, passwordHash: from }, { $set: { passwordHash: to } })
  }

  /**
   * Leaves a tombstone of a user that still has the expected version. Its unpublished events go too: they hold
   * personal data, and the deletion overrides them. @returns whether it had the version
   */
  async bury({ state, event }: Change<Tombstone>, expectedVersion: number): Promise<boolean> {
    const { id, ...fields } = state
    const tombstone = { ...fields, outbox: [event], pendingSince: state.deletedAt }
    const { matchedCount } = await this.#users.replaceOne({ _id: id, version: expectedVersion }, tombstone as never)
    return matchedCount === 1
  }
}

const withoutOutbox = { projection: { outbox: 0, pendingSince: 0, registrationDone: 0, updatesDone: 0 } }

const updatedWith = (key: string) => ({ $elemMatch: { key, at: { $gt: stillCounting() } } })
/** Of several requests with one key, an update without a change does not raise the version that the others check. */
const notUpdatedWith = (key: string) => ({ updatesDone: { $not: updatedWith(key) } })

const stillCounting = (): Date => new Date(Date.now() - 24 * 3_600_000)

/** Beside the time, a number bounds what is kept, and with it the document. */
const lastOf = (updated: UpdateDone) => ({ updatesDone: { $each: [updated], $slice: -50 } })

const found = (document: UserDocument | null): User | undefined => (document ? toUser(document) : undefined)

export function toUser({ _id, ...fields }: UserDocument): User {
  return { tokensFromVersion: 1, ...fields, id: _id }
}
