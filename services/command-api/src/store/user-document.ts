import type { UserEvent } from '@cqrs/contracts'
import type { User } from '../domain/user.ts'

/**
 * A document of `users`: a user and its unpublished events, so that one write commits both. `pendingSince` is set
 * exactly while the outbox is not empty; the sweeper's index is on it.
 */
export type UserDocument = Omit<User, 'id' | 'tokensFromVersion'> &
  Outbox & {
    _id: string
    /** Absent in documents that are older than revocation. */
    tokensFromVersion?: number
    /** The record of a registration with an idempotency key. */
    registrationDone?: Done
    /** The records of the last updates with one, newest last. */
    updatesDone?: UpdateDone[]
  }

/**
 * The record that a command with an idempotency key is done: written with its change or not at all. It holds no
 * personal data and is valid for 24 hours; `at` is the database's time.
 */
export type Done = { key: string; fingerprint: string; at: Date }

/**
 * The record of an update, with the part of its answer that the request does not contain. An update that changes
 * nothing answers the roles in their stored order. Older records have no `roles`.
 */
export type UpdateDone = Done & Pick<User, 'version' | 'isActive' | 'updatedAt'> & { roles?: User['roles'] }

/**
 * A deleted user. `expiresAt` is set when its last event is published, `eraseAt` while its events are to be purged from
 * the stream then.
 */
export type TombstoneDocument = Outbox & {
  _id: string
  version: number
  deletedAt: Date
  expiresAt?: Date
  eraseAt?: Date
  /** How often the user's events were purged. */
  erasures?: number
}

type Outbox = { outbox: UserEvent[]; pendingSince?: Date }

/** An event has at most 2 KB (name and address are bounded), so an outbox has at most 200 KB of a document's 16 MiB. */
export const maxPendingEvents = 100

export const usersCollection = 'users'

export const usersIndexes = [
  // A tombstone has no e-mail address and is not in the index.
  { name: 'email', key: { email: 1 }, unique: true, partialFilterExpression: { email: { $exists: true } } },
  // Makes one of several registrations with the same idempotency key the first, in whichever process they are.
  {
    name: 'registration_done',
    key: { 'registrationDone.key': 1 },
    unique: true,
    partialFilterExpression: { 'registrationDone.key': { $exists: true } },
  },
  { name: 'admins', key: { roles: 1 }, partialFilterExpression: { roles: 'admin' } },
  { name: 'pending', key: { pendingSince: 1 }, partialFilterExpression: { pendingSince: { $exists: true } } },
  { name: 'erasure', key: { eraseAt: 1 }, partialFilterExpression: { eraseAt: { $exists: true } } },
  { name: 'tombstone_expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 },
] as const
