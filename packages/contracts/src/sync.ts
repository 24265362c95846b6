import Type, { type Static } from 'typebox'
import { Snapshot } from './snapshots.ts'
import { UserId } from './user.ts'

/**
 * The read side compares itself with the write side, and refills itself, without access to the write database: it sends
 * requests over NATS, and any command-api replies. Pages follow the order of user ids; `after` is the last id of the
 * previous page, '' for the first page.
 */
export const syncSubjects = {
  /** PageRequest → DigestReply: count and digest of a page, so that equal pages transfer no data. */
  digest: 'users_sync.digest',
  /** RangeRequest → VersionsReply: id and version of each user in a range, for a page whose digest differs. */
  versions: 'users_sync.versions',
  /** PageRequest → PageReply: whole states, including tombstones, for filling a new read model. */
  page: 'users_sync.page',
  /** RepublishRequest → RepublishReply: publishes an event with the current state of each of these users. */
  republish: 'users_sync.republish',
} as const

const After = Type.Union([UserId, Type.Literal('')])
export const PageRequest = Type.Object({ after: After, limit: Type.Integer({ minimum: 1, maximum: 2_000 }) })

/** `upTo` is the last id of the page; null for the last page, which has no upper bound. */
export const DigestReply = Type.Object({
  upTo: Type.Union([UserId, Type.Null()]),
  count: Type.Integer(),
  digest: Type.String(),
})
export type DigestReply = Static<typeof DigestReply>

export const RangeRequest = Type.Object({ after: After, upTo: Type.Union([UserId, Type.Null()]) })
/** `pending` are users whose last event is not published yet, so the read side cannot have it. */
export const VersionsReply = Type.Object({
  users: Type.Array(Type.Tuple([UserId, Type.Integer()])),
  pending: Type.Array(UserId),
})
export type VersionsReply = Static<typeof VersionsReply>

export const PageReply = Type.Object({
  snapshots: Type.Array(Snapshot),
  /** `after` of the next page; null for the last page. */
  next: Type.Union([UserId, Type.Null()]),
  /** Approximate number of all users, for a progress bar. */
  total: Type.Integer(),
})
export type PageReply = Static<typeof PageReply>

/** `readVersion` is the version that the read side has; 0 if it has none. */
export const RepublishRequest = Type.Object({
  users: Type.Array(Type.Object({ id: UserId, readVersion: Type.Integer({ minimum: 0 }) }), { maxItems: 1_000 }),
})
export const RepublishReply = Type.Object({ published: Type.Integer() })
export type RepublishReply = Static<typeof RepublishReply>

/** The digest of a page is the SHA-256, in hexadecimal, of one line per live user by ascending id. */
export const digestLine = ({ id, version }: { id: string; version: number }): string => `${id} ${version}\n`
