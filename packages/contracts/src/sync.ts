import Type, { type Static } from 'typebox'
import { Snapshot } from './snapshots.ts'
import { UserId } from './user.ts'

/**
 * How the read side compares itself with the write side and refills itself, without reading its database: by request and
 * reply over NATS, which any command-api answers. Users are walked in the order of their ids, page by page: a request
 * names the id that it continues after, '' at the start.
 */
export const syncSubjects = {
  /** PageRequest → DigestReply: count and digest of a page, so that equal pages cost no data. */
  digest: 'users_sync.digest',
  /** RangeRequest → VersionsReply: id and version of each user of a page that differs. */
  versions: 'users_sync.versions',
  /** PageRequest → PageReply: whole states, tombstones too, for filling a new read model. */
  page: 'users_sync.page',
  /** RepublishRequest → RepublishReply: publishes an event with the current state of each user named. */
  republish: 'users_sync.republish',
} as const

const After = Type.Union([UserId, Type.Literal('')])
export const PageRequest = Type.Object({ after: After, limit: Type.Integer({ minimum: 1, maximum: 2_000 }) })

/** `upTo` is the last id of the page, null on the last page, which reaches to the end of all ids. */
export const DigestReply = Type.Object({
  upTo: Type.Union([UserId, Type.Null()]),
  count: Type.Integer(),
  digest: Type.String(),
})
export type DigestReply = Static<typeof DigestReply>

export const RangeRequest = Type.Object({ after: After, upTo: Type.Union([UserId, Type.Null()]) })
/** `pending` are those of the range whose last event is not published yet: the read side cannot have it. */
export const VersionsReply = Type.Object({
  users: Type.Array(Type.Tuple([UserId, Type.Integer()])),
  pending: Type.Array(UserId),
})
export type VersionsReply = Static<typeof VersionsReply>

export const PageReply = Type.Object({
  snapshots: Type.Array(Snapshot),
  /** Where the next page starts; null when this was the last. */
  next: Type.Union([UserId, Type.Null()]),
  /** About how many users there are in all, for a progress bar. */
  total: Type.Integer(),
})
export type PageReply = Static<typeof PageReply>

/** `readVersion` is the version that the read side has; 0 where it has none. */
export const RepublishRequest = Type.Object({
  users: Type.Array(Type.Object({ id: UserId, readVersion: Type.Integer({ minimum: 0 }) }), { maxItems: 1_000 }),
})
export const RepublishReply = Type.Object({ published: Type.Integer() })
export type RepublishReply = Static<typeof RepublishReply>

/** The text whose SHA-256 in hexadecimal is the digest of a page: a line a live user, by ascending id. */
export const digestLine = ({ id, version }: { id: string; version: number }): string => `${id} ${version}\n`
