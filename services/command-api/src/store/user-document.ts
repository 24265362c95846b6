import type { UserEvent } from '@cqrs/contracts'
import type { User } from '../domain/user.ts'
import type { Done, UpdateDone } from './done.ts'

/**
 * The `users` collection: a user and its events that are not yet published, in one document, so that one write commits
 * both. `pendingSince` is there exactly while the outbox holds something; the sweeper's index is over it.
 */
export type UserDocument = Omit<User, 'id' | 'tokensFromVersion'> &
  Outbox & {
    _id: string
    /** Absent in documents from before there were revocations: nothing was revoked then. */
    tokensFromVersion?: number
    /** Of a registration with an idempotency key. */
    registrationDone?: Done
    /** Of the last updates with one, the newest last. */
    updatesDone?: UpdateDone[]
  }

/** What a deleted user leaves. `expiresAt` is set when its last event is published. */
export type TombstoneDocument = Outbox & { _id: string; version: number; deletedAt: Date; expiresAt?: Date }

type Outbox = { outbox: UserEvent[]; pendingSince?: Date }

export const usersCollection = 'users'

export const usersIndexes = [
  // Tombstones have no address and are not in it.
  { name: 'email', key: { email: 1 }, unique: true, partialFilterExpression: { email: { $exists: true } } },
  // Of registrations with the same idempotency key one comes first, whichever process takes them.
  {
    name: 'registration_done',
    key: { 'registrationDone.key': 1 },
    unique: true,
    partialFilterExpression: { 'registrationDone.key': { $exists: true } },
  },
  { name: 'pending', key: { pendingSince: 1 }, partialFilterExpression: { pendingSince: { $exists: true } } },
  { name: 'tombstone_expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 },
] as const
