import type { UserReadModel } from './queries.ts'
import type { Role } from './user.ts'

/**
 * The `users_read` collection as the projector writes it and query-api reads it. Times are BSON dates, so that an
 * operator can query by them.
 */
export const usersReadCollection = 'users_read'

export type UserReadDocument = Omit<UserReadModel, 'id' | 'createdAt' | 'updatedAt'> & {
  _id: string
  createdAt: Date
  updatedAt: Date
} & TokenFields

/** Which access tokens of the user are dead. No query answers it: it is for those who verify tokens. */
type TokenFields = { tokensFromVersion: number; tokensRevokedAt?: Date }

/**
 * What is left of a deleted user: no personal data, only the version that keeps a late event from reviving it. All of its
 * tokens are dead.
 */
export type UserReadTombstone = { _id: string; version: number; deletedAt: Date; expiresAt: Date }

/**
 * How names and addresses are compared in searches and in order of name: whatever the case, and with accents or without
 * (level 1 of the Unicode Collation Algorithm). A query is served by an index only if it says the same.
 */
export const nameCollation = { locale: 'en', strength: 1 } as const

/**
 * The indexes that serve every query of query-api without a collection scan or a sort in memory. `_id` is a UUID of
 * version 7, so descending `_id` is newest first; `deletedAt: null` selects everything but tombstones, and so does any `isActive`.
 */
export const usersReadIndexes = [
  { name: 'newest', key: { deletedAt: 1, _id: -1 } },
  { name: 'newest_by_role', key: { roles: 1, _id: -1 } },
  { name: 'newest_by_activity', key: { isActive: 1, _id: -1 } },
  { name: 'by_name', key: { isActive: 1, name: 1, _id: 1 }, collation: nameCollation },
  { name: 'by_email', key: { isActive: 1, email: 1, _id: 1 }, collation: nameCollation },
  { name: 'email', key: { email: 1 } },
  // What was revoked of late; deletions are found by `newest`.
  { name: 'tokens_revoked', key: { tokensRevokedAt: 1 }, sparse: true },
  { name: 'tombstone_expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 },
] as const

/**
 * Which collection of a read model is live, one document a read model (`users_read`, `user_stats`); where there is none,
 * the collection has the read model's own name. A rebuild fills another one beside it and then changes `live`.
 */
export const readModelsCollection = 'read_models'

export type ReadModelState = {
  _id: string
  /** Queries read this collection. */
  live: string
  /** Events are applied to all of these, in this order: the newest first, so that who has seen a version in one finds it in a newer one. */
  written: string[]
}

/** `user_stats`: one document with the sums, and one a user with what it adds to them. */
export const userStatsCollection = 'user_stats'
export const userStatsSums = 'sums'

export type UserStatsSums = {
  _id: typeof userStatsSums
  users: number
  active: number
  byRole: Record<Role, number>
  /** By day of registration, as 2026-11-23. */
  byDay: Record<string, number>
}
