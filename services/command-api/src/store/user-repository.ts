import { Refusal, type UserEvent } from '@cqrs/contracts'
import { isDuplicateKey, linearizable, shares } from '@cqrs/service-kit'
import type { Collection, Db } from 'mongodb'
import type { Change, Tombstone, User } from '../domain/user.ts'
import { type Done, maxPendingEvents, type UpdateDone, type UserDocument, usersCollection } from './user-document.ts'

/** The write model. Each write is one atomic operation on one document, so it needs no transaction. */
export class UserRepository {
  readonly #db: Db
  readonly #users: Collection<UserDocument>
  readonly #isMigrated: () => Promise<boolean>
  /** Gives an event the schema version in which it is stored and published, whichever process publishes it. */
  readonly written: (event: UserEvent) => UserEvent
  /** Runs the work on one user in turn, within this process. */
  readonly inTurn = shares({ running: 1, waiting: 1_000 })

  /** @param isMigrated whether the indexes exist */
  constructor(db: Db, written: (event: UserEvent) => UserEvent, isMigrated: () => Promise<boolean>) {
    this.#db = db
    this.written = written
    this.#users = db.collection(usersCollection)
    this.#isMigrated = isMigrated
  }

  /** The database's time, for what several processes judge. */
  async now(): Promise<Date> {
    return (await this.#db.command({ hello: 1 }))['localTime']
  }

  async findById(id: string): Promise<User | undefined> {
    // A tombstone has no e-mail address.
    return found(await this.#users.findOne({ _id: id, email: { $exists: true } }, withoutOutbox))
  }

  /** What is left of a deleted user, for a client whose first answer was lost. */
  async findDeleted(id: string): Promise<Pick<Tombstone, 'id' | 'version'> | undefined> {
    const tombstone = await this.#users.findOne({ _id: id, email: { $exists: false } }, { projection: { version: 1 } })
    return tombstone ? { id, version: tombstone.version } : undefined
  }

  /** Whether another user than this one is an active admin. */
  async hasOtherAdmin(id: string): Promise<boolean> {
    const other = { _id: { $ne: id }, roles: 'admin', isActive: true } as const
    return (await this.#users.findOne(other, { projection: { _id: 1 } })) !== null
  }

  /** @param email in its normalised form */
  async findByEmail(email: string): Promise<User | undefined> {
    return found(await this.#users.findOne({ email }, withoutOutbox))
  }

  /**
   * Whether the user still has the version that was loaded, by what a majority has. An answer that needs no write says
   * nothing that is not confirmed: without it, a fail-over could undo what the client was told.
   */
  async confirm({ id, version }: Pick<User, 'id' | 'version'>): Promise<boolean> {
    return (await this.#users.findOne({ _id: id, version }, { ...linearizable, projection: { _id: 1 } })) !== null
  }

  /**
   * The user that was registered with this idempotency key, while its record is valid; confirmed.
   * @throws Refusal `idempotency-key-reused` if it was another registration
   */
  async findRegistered(now: Done): Promise<User | undefined> {
    const isRecorded = { 'registrationDone.key': now.key }
    const document = await this.#users.findOne(isRecorded, { projection: { outbox: 0 } })
    if (!document?.registrationDone) return undefined
    const { _id, version, registrationDone: before } = document
    if (before.at > validAt(now)) {
      refuseReuse(before, now)
      return (await this.confirm({ id: _id, version })) ? toUser(document) : await this.findRegistered(now)
    }
    await this.#users.updateOne({ _id, ...isRecorded }, { $unset: { registrationDone: 1 } })
    return undefined
  }

  /**
   * The record of a user's update with this idempotency key, while it is valid.
   * @throws Refusal `idempotency-key-reused` if it was another update
   */
  async findUpdate(id: string, now: Done): Promise<UpdateDone | undefined> {
    const updatesDone = updatedWith(now)
    const document = await this.#users.findOne({ _id: id, updatesDone }, { projection: { updatesDone } })
    const before = document?.updatesDone?.[0]
    if (before) refuseReuse(before, now)
    return before
  }

  /**
   * @throws Refusal `email-taken`, also if another registration with the same idempotency key came first;
   * `storage-unavailable` if the database is not migrated yet
   */
  async insert({ state, event }: Change, registrationDone?: Done): Promise<void> {
    // Without the unique index two users could share an address.
    if (!(await this.#isMigrated())) throw new Refusal('storage-unavailable')
    const { id, ...fields } = state
    try {
      // An upsert, because only an update can take the database's time. No document has an id without a version.
      await this.#users.updateOne(
        { _id: id, version: { $exists: false } },
        {
          $setOnInsert: { ...fields, outbox: [this.written(event)], ...(registrationDone && { registrationDone }) },
          $currentDate: { pendingSince: true },
        },
        { upsert: true },
      )
    } catch (error) {
      if (isDuplicateKey(error)) throw new Refusal('email-taken')
      throw error
    }
  }

  /**
   * Replaces a user that still has the expected version, unless it was already updated with the same idempotency key.
   * A change that revokes tokens is never refused: if the outbox is full, its event replaces the pending ones.
   * @returns whether it replaced it
   * @throws Refusal `outbox-full` for any other change of a user with too many pending events
   */
  async save({ state, event }: Change, expectedVersion: number, updated?: UpdateDone): Promise<boolean> {
    const { id, ...fields } = state
    const expected = { _id: id, version: expectedVersion, ...(updated && notUpdatedWith(updated)) }
    const revokes = state.tokensFromVersion === state.version
    const { matchedCount } = await this.#users.updateOne({ ...expected, ...(!revokes && hasRoom) }, [
      {
        $set: {
          ...literals(fields),
          outbox: appended(this.written(event)),
          pendingSince: { $ifNull: ['$pendingSince', '$$NOW'] },
          ...(updated && { updatesDone: withLast(updated) }),
        },
      },
    ])
    // The write has decided; this only finds the reason.
    if (matchedCount === 0 && !revokes && (await this.#users.countDocuments({ ...expected, $nor: [hasRoom] })) === 1)
      throw new Refusal('outbox-full', { retryAfterSeconds: 5 })
    return matchedCount === 1
  }

  /** The same for an update that has nothing to change: it is only recorded. @returns whether it was */
  async note(id: string, updated: UpdateDone): Promise<boolean> {
    const unchanged = { _id: id, version: updated.version, email: { $exists: true }, ...notUpdatedWith(updated) }
    const { matchedCount } = await this.#users.updateOne(unchanged, { $push: lastOf(updated) })
    return matchedCount === 1
  }

  /** Replaces the hash of an unchanged password. The version stays, because no one else can see a difference. */
  async replaceHash(id: string, { from, to }: { from: string; to: string }): Promise<void> {
    await this.#users.updateOne({ _id: id, passwordHash: from }, { $set: { passwordHash: to } })
  }

  /**
   * Replaces a user that still has the expected version with a tombstone. Its unpublished events are dropped: they hold
   * personal data, and the deletion overrides them.
   * @returns whether it had the version
   */
  async bury({ state, event }: Change<Tombstone>, expectedVersion: number): Promise<boolean> {
    const { id, ...fields } = state
    const tombstone = { _id: id, ...fields, outbox: [this.written(event)] }
    const { matchedCount } = await this.#users.updateOne({ _id: id, version: expectedVersion }, [
      { $replaceWith: { ...literals(tombstone), pendingSince: '$$NOW', eraseAt: '$$NOW' } },
    ])
    return matchedCount === 1
  }
}

/** @throws Refusal `idempotency-key-reused` if the two commands have other bodies */
function refuseReuse(before: Done, now: Done): void {
  if (before.fingerprint !== now.fingerprint) throw new Refusal('idempotency-key-reused')
}

const withoutOutbox = { projection: { outbox: 0, pendingSince: 0, registrationDone: 0, updatesDone: 0 } }

const updatedWith = (now: Done) => ({ $elemMatch: { key: now.key, at: { $gt: validAt(now) } } })
/** An update without a change does not raise the version, so the version alone does not stop a second request. */
const notUpdatedWith = (now: Done) => ({ updatesDone: { $not: updatedWith(now) } })

/** A record that is valid for this request was written later than that. Both times are the database's. */
const validAt = (now: Done): Date => new Date(now.at.getTime() - 24 * 3_600_000)

/** Records are bounded by number as well as by time, so that the document stays small. */
const lastOf = (updated: UpdateDone) => ({ updatesDone: { $each: [updated], $slice: -keptRecords } })
const withLast = (updated: UpdateDone) => ({
  $slice: [{ $concatArrays: [{ $ifNull: ['$updatesDone', []] }, [{ $literal: updated }]] }, -keptRecords],
})
const keptRecords = 50

const hasRoom = { [`outbox.${maxPendingEvents - 1}`]: { $exists: false } }

/**
 * The outbox with one more event. A full one keeps only the registration, which sends the welcome e-mail: each event
 * carries the whole state, so the others add nothing for a reader.
 */
const appended = (event: UserEvent) => ({
  $concatArrays: [
    {
      $cond: [
        { $lt: [{ $size: '$outbox' }, maxPendingEvents] },
        '$outbox',
        { $filter: { input: '$outbox', cond: { $eq: ['$$this.type', 'UserCreated'] }, limit: 1 } },
      ],
    },
    [{ $literal: event }],
  ],
})

/** In an update pipeline, a text such as `$name` would be the value of a field. */
const literals = (fields: object) =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { $literal: value }]))

const found = (document: UserDocument | null): User | undefined => (document ? toUser(document) : undefined)

export function toUser({ _id, ...fields }: UserDocument): User {
  return { tokensFromVersion: 1, ...fields, id: _id }
}
