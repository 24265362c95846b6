import Type, { type Static } from 'typebox'
import { Snapshot } from './snapshots.ts'
import { UserId } from './user.ts'

/**
 * The read side compares itself with the write side, and refills itself, without access to the write database: it sends
 * requests over NATS, and any command-api replies. Pages follow the order of user ids; `after` is the last id of the
 * previous page, '' for the first page.
 */
export const syncSubjects = {
  /** DigestRequest → DigestReply: count and digest of a page, so that equal pages transfer no data. */
  digest: 'users_sync.digest',
  /** VersionsRequest → VersionsReply: version and content of each user in a range, for a page whose digest differs. */
  versions: 'users_sync.versions',
  /** PageRequest → PageReply: whole states, including tombstones, for filling a new read model. */
  page: 'users_sync.page',
  /** RepublishRequest → RepublishReply: publishes an event with the current state of each of these users. */
  republish: 'users_sync.republish',
  /** `{}` → OutboxReply: the users whose events have waited longest to be published, for an operator. */
  outbox: 'users_sync.outbox',
} as const

/**
 * The identity of the write database that a reply is from, a UUID that `migrate` creates. The read side follows one
 * write database: what another one does not know is not deleted.
 */
const from = { writeDatabase: Type.String({ minLength: 1 }) }

/** What a read model can show of a user; `createdOn` is the day of `createdAt`, such as 2026-11-23. */
const StateField = Type.Enum([
  'email',
  'name',
  'roles',
  'isActive',
  'createdAt',
  'createdOn',
  'updatedAt',
  'tokensFromVersion',
  'tokensRevokedAt',
])
export type StateField = Static<typeof StateField>
/** The values as they are stored, whatever their types are. */
export type ShownState = { [Field in StateField]?: unknown }
const fields = Type.Array(StateField)

const After = Type.Union([UserId, Type.Literal('')])
const UpTo = Type.Union([UserId, Type.Null()])
export const PageRequest = Type.Object({ after: After, limit: Type.Integer({ minimum: 1, maximum: 2_000 }) })

/** `fields` are those that the read model shows. */
export const DigestRequest = Type.Object({ ...PageRequest.properties, fields })
/** `upTo` is the last id of the page; null for the last page, which has no upper bound. */
export const DigestReply = Type.Object({ ...from, upTo: UpTo, count: Type.Integer(), digest: Type.String() })
export type DigestReply = Static<typeof DigestReply>

export const VersionsRequest = Type.Object({ ...PageRequest.properties, upTo: UpTo, fields })
/**
 * A user at a version. `content` is the SHA-256, in base64url, of `stateText`; a tombstone has none. `pending`: the
 * last event is not published yet, so the read side cannot have it.
 */
export const VersionOf = Type.Object({
  id: UserId,
  version: Type.Integer(),
  content: Type.Optional(Type.String()),
  pending: Type.Optional(Type.Literal(true)),
})
export type VersionOf = Static<typeof VersionOf>
/** At most `limit` users: as many mean that there may be more. */
export const VersionsReply = Type.Object({ ...from, users: Type.Array(VersionOf) })
export type VersionsReply = Static<typeof VersionsReply>

export const PageReply = Type.Object({
  ...from,
  snapshots: Type.Array(Snapshot),
  /** `after` of the next page; null for the last page. */
  next: Type.Union([UserId, Type.Null()]),
  /** Approximate number of all users, for a progress bar. */
  total: Type.Integer(),
})
export type PageReply = Static<typeof PageReply>

/**
 * How a user is repaired. `restate` publishes the state or the tombstone of a user whom the write database knows, if
 * the read side has a lower version. `raise` first gives a living user a version above the read side's. `delete`
 * publishes a deletion, if the write database does not know the user.
 */
const Remedy = Type.Enum(['restate', 'raise', 'delete'])
export type Remedy = Static<typeof Remedy>

/**
 * `readVersion` is the version that the read side has; 0 if it has none. Another database than `writeDatabase`
 * publishes nothing.
 */
export const RepublishRequest = Type.Object({
  ...from,
  users: Type.Array(Type.Object({ id: UserId, readVersion: Type.Integer({ minimum: 0 }), remedy: Remedy }), {
    maxItems: 1_000,
  }),
})
export type RepublishRequest = Static<typeof RepublishRequest>
export const RepublishReply = Type.Object({ ...from, published: Type.Integer() })
export type RepublishReply = Static<typeof RepublishReply>

/** The first 100, and the number of all, counted up to 100,000. `pendingSince` is a time in ISO 8601. */
export const OutboxReply = Type.Object({
  ...from,
  users: Type.Integer(),
  oldestSeconds: Type.Number(),
  data: Type.Array(Type.Object({ id: UserId, events: Type.Integer(), pendingSince: Type.String() })),
})
export type OutboxReply = Static<typeof OutboxReply>

/** The digest of a page is the SHA-256, in hexadecimal, of one line per live user by ascending id. */
export const digestLine = (id: string, version: number, state: string): string => `${id} ${version} ${state}\n`

/** These fields of a state as a text, equal for equal states on both sides. */
export const stateText = (state: ShownState, fields: readonly StateField[]): string =>
  JSON.stringify(fields.map((field) => comparable(state[field] ?? (field === 'tokensFromVersion' ? 1 : null))))

/** The order of roles has no meaning. */
const comparable = (value: unknown): unknown => (Array.isArray(value) ? value.toSorted() : value)
