import type { UserReadModel } from './queries.ts'
import type { Role } from './user.ts'

/**
 * The collection `users_read`: the projector writes it, query-api reads it. Times are BSON dates, so an operator can
 * query by them.
 */
export const usersReadCollection = 'users_read'

export type UserReadDocument = Omit<UserReadModel, 'id' | 'createdAt' | 'updatedAt'> & {
  _id: string
  createdAt: Date
  updatedAt: Date
} & TokenFields

/** Which access tokens of the user are revoked. No query answers it: it is for the verification of tokens. */
type TokenFields = { tokensFromVersion: number; tokensRevokedAt?: Date } & Revoked

/** When a revocation or a deletion was stored, by the clock of this database: query-api loads the recent ones. */
type Revoked = { revokedAt?: Date }

/** A deleted user: no personal data, only the version that keeps a late event from reviving it. */
export type UserReadTombstone = { _id: string; version: number; deletedAt: Date; expiresAt: Date } & Revoked

/**
 * The time in which a late event cannot revive its user. Redelivery delays events by minutes and an outage by hours; a
 * dead letter waits longest, for the operator who replays it, and 30 days cover that.
 */
export const tombstoneLifetimeMs = 30 * 24 * 60 * 60 * 1_000

/**
 * Searches and orders by name ignore case and accents (level 1 of the Unicode Collation Algorithm). An index serves a
 * query only if both name the same collation.
 */
export const nameCollation = { locale: 'en', strength: 1 } as const

/**
 * The indexes that serve every query of query-api without a collection scan or a sort in memory. `_id` is a UUID of
 * version 7, so descending `_id` is newest first. Only tombstones have `deletedAt`, and only they lack `isActive`.
 */
export const usersReadIndexes = [
  { name: 'newest', key: { deletedAt: 1, _id: -1 } },
  { name: 'newest_by_role', key: { roles: 1, _id: -1 } },
  { name: 'newest_by_activity', key: { isActive: 1, _id: -1 } },
  { name: 'by_name', key: { isActive: 1, name: 1, _id: 1 }, collation: nameCollation },
  { name: 'by_email', key: { isActive: 1, email: 1, _id: 1 }, collation: nameCollation },
  { name: 'email', key: { email: 1 } },
  { name: 'revoked', key: { revokedAt: 1 }, sparse: true },
  // For revocations from before `revokedAt`; such deletions are found by `newest`.
  { name: 'tokens_revoked', key: { tokensRevokedAt: 1 }, sparse: true },
  { name: 'tombstone_expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 },
] as const

/**
 * One document per read model (`users_read`, `user_stats`) names its live collection; without a document, that is the
 * collection with the read model's own name. A rebuild fills a second collection and then changes `live`.
 */
export const readModelsCollection = 'read_models'

export type ReadModelState = {
  _id: string
  /** The collection that queries read. */
  live: string
  /** Events are applied to all of these, newest first: a version seen in one collection is also in each newer one. */
  written: string[]
}

/** The collection `user_stats`: one document with the sums, and one per user with what it contributes to them. */
export const userStatsCollection = 'user_stats'
export const userStatsSums = 'sums'

export type UserStatsSums = {
  _id: typeof userStatsSums
  users: number
  active: number
  byRole: Record<Role, number>
  /** By day of registration, such as 2026-11-23. */
  byDay: Record<string, number>
}
