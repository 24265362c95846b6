import type { UserReadModel } from './queries.ts'
import type { Role } from './user.ts'

/**
 * The read models, and the shapes in which this release fills and queries each, ascending. A change of what documents
 * hold is a new shape, which is filled beside the live one.
 */
export const readModelShapes = { users_read: [1], user_stats: [1], user_directory: [1, 2] } as const

export type ReadModelName = keyof typeof readModelShapes

/** The name of a shape, such as `users_read_v1`: of its first collection and of its durable consumer. */
export const shapeName = (readModel: string, shape: number): string => `${readModel}_v${shape}`

/** Times are BSON dates, so an operator can query by them. */
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

/** A user in `user_directory`, with the words by which it is found: the same documents in each shape, other words. */
export type DirectoryDocument = Omit<UserReadDocument, keyof TokenFields> & { words: string[] }

/** The last change is first. Only tombstones lack `updatedAt`. */
export const userDirectoryIndexes = [
  { name: 'changed', key: { updatedAt: -1, _id: -1 } },
  { name: 'changed_by_word', key: { words: 1, updatedAt: -1, _id: -1 } },
  { name: 'changed_by_role', key: { roles: 1, updatedAt: -1, _id: -1 } },
  { name: 'tombstone_expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 },
] as const

export type DirectoryShape = (typeof readModelShapes)['user_directory'][number]

/** The words of a text, in lower case; from shape 2 on, Latin letters without accents. */
export function wordsOf(text: string, shape: DirectoryShape): string[] {
  const folded =
    shape === 1
      ? text
      : text
          .normalize('NFD')
          .replaceAll(/(\p{Script=Latin})\p{Mn}+/gu, '$1')
          .normalize()
  return [...new Set(folded.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu))]
}

/** For each read model a document that says which shape is live, and for each shape one that names its collections. */
export const readModelsCollection = 'read_models'

/** Queries read this shape if they know it. */
export type LiveShape = {
  _id: ReadModelName
  shape: number
  since: Date
  /** The shape that was live before: the way back. */
  before?: number
}

/** Without such a document, the shape has one collection of its own name. */
export type ShapeState = {
  _id: string
  /** The collection that queries of this shape read. A rebuild fills a second one and then changes this. */
  live: string
  /**
   * Events are applied to all of these, newest first: a version seen in one collection is also in each newer one. None
   * of a shape that was dropped.
   */
  written: string[]
  /** When its collection had every user for the first time. */
  filledAt?: Date
}

/** `user_stats` has one document with the sums, and one per user with what it contributes to them. */
export const userStatsSums = 'sums'

export type UserStatsSums = {
  _id: typeof userStatsSums
  users: number
  active: number
  byRole: Record<Role, number>
  /** By day of registration, such as 2026-11-23. */
  byDay: Record<string, number>
}
