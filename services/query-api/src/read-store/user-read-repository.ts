import type { Role, UserReadDocument, UserReadModel, UserReadTombstone } from '@cqrs/contracts'
import type { Logger } from '@cqrs/service-kit'
import type { Document, Filter, Sort } from 'mongodb'
import type { Moment, ReadDatabase } from './read-database.ts'
import { type Listed, type Shown, toListed, toReadModel } from './to-read-model.ts'

export type Stored = UserReadDocument | UserReadTombstone

/** A version of a user; `user` is undefined if that version is the deletion. */
export type VersionedUser = { version: number; user: UserReadModel | undefined }

/** The users that were found; `unreadable` are those whose document cannot be returned. */
export type FoundUsers = { users: Map<string, VersionedUser>; unreadable: string[] }

/** Tokens of this user that were issued at a lower version are revoked, for `ageMs` by now. */
export type Revocation = { id: string; tokensFromVersion: number; ageMs: number }

/** A tombstone has no `tokensFromVersion`: it revokes every token. Without `revokedAt` an older projector stored it. */
type Revoked = Pick<UserReadDocument, '_id' | 'version'> &
  Partial<Pick<UserReadDocument, 'tokensFromVersion' | 'tokensRevokedAt' | 'revokedAt'>> & { deletedAt?: Date }

/**
 * Reads `users_read`, which the projector writes. Lists contain no deleted users (tombstones), and every query uses an
 * index of contracts.
 */
export class UserReadRepository {
  readonly #database: ReadDatabase
  readonly #logger: Logger | undefined

  constructor(database: ReadDatabase, { logger }: { logger?: Logger } = {}) {
    this.#database = database
    this.#logger = logger
  }

  /** Finds these users, deleted ones included, in one query. */
  async findByIds(ids: string[], moment: Moment): Promise<FoundUsers> {
    const page = { projection: { ...projection, deletedAt: 1 }, limit: ids.length }
    const stored = await moment.find<Stored>('users_read', { _id: { $in: ids } }, page)
    const users = new Map<string, VersionedUser>()
    for (const one of stored) {
      const user = 'deletedAt' in one ? undefined : toReadModel(one, this.#logger)
      if (user || 'deletedAt' in one) users.set(one._id, { version: one.version, user })
    }
    return { users, unreadable: stored.map(({ _id }) => _id).filter((id) => !users.has(id)) }
  }

  /** Users, newest first; optionally only (in)active ones, or those registered in [createdAfter, createdBefore). */
  async list(
    { isActive, createdAfter, createdBefore, ...page }: NewestPage & Filters,
    moment: Moment,
  ): Promise<Listed[]> {
    const among = isActive === undefined ? { deletedAt: null } : { isActive }
    const times = { ...(createdAfter && { $gte: createdAfter }), ...(createdBefore && { $lt: createdBefore }) }
    // All users are equal in this field. Sorting by it makes MongoDB use the compound index instead of `_id` alone.
    const by = isActive === undefined ? 'deletedAt' : 'isActive'
    if (!createdAfter && !createdBefore) return await this.#newest(moment, among, page, by)
    const ids = idsRegistered(createdAfter, createdBefore)
    return await this.#newest(moment, { ...among, createdAt: times, _id: ids }, page, by)
  }

  /** Users with this role, newest first. A tombstone has no roles. */
  async listByRole(role: Role, page: NewestPage, moment: Moment): Promise<Listed[]> {
    return await this.#newest(moment, { roles: role }, page)
  }

  /** Revocations of the last `ms`, deletions included, by the database's clock. Reads the primary if there is one. */
  async revokedWithin(ms: number): Promise<Revocation[]> {
    const users = await this.#database.live<Stored>('users_read')
    // In an expression, `$$NOW` would keep the query from using the indexes.
    const now: Date = (await users.db.command({ hello: 1 }, primary))['localTime']
    const since = { $gt: new Date(now.getTime() - ms) }
    const filter = { $or: [{ revokedAt: since }, { tokensRevokedAt: since }, { deletedAt: since }] }
    const projection = { version: 1, tokensFromVersion: 1, revokedAt: 1, tokensRevokedAt: 1, deletedAt: 1 } as const
    const found = await users.find<Revoked>(filter as Filter<Stored>, { projection, ...primary }).toArray()
    return found.map(({ _id: id, version, tokensFromVersion = version, ...times }) => {
      const at = times.revokedAt ?? times.tokensRevokedAt ?? times.deletedAt ?? now
      return { id, tokensFromVersion, ageMs: now.getTime() - at.getTime() }
    })
  }

  async #newest(
    moment: Moment,
    filter: Document,
    { limit, offset = 0, after }: NewestPage,
    by?: string,
  ): Promise<Listed[]> {
    const upTo = after === undefined ? filter : { $and: [filter, { _id: { $lt: after } }] }
    const sort: Sort = { ...(by && { [by]: 1 }), _id: -1 }
    const found = await moment.find<Shown>('users_read', upTo, { projection, sort, skip: offset, limit })
    return found.map((stored) => toListed(stored, this.#logger))
  }
}

/** `after` is the id of the last user of the previous page. */
export type NewestPage = { limit: number; offset?: number | undefined; after?: string | undefined }

type Filters = { isActive?: boolean | undefined; createdAfter?: Date | undefined; createdBefore?: Date | undefined }

/**
 * The range of ids of users registered in this period, so that times need no index: an id begins with the millisecond
 * of its creation (UUID version 7, RFC 9562), which is within a second of the registration.
 */
function idsRegistered(from: Date | undefined, to: Date | undefined): { $gte?: string; $lt?: string } {
  const idAt = (ms: number) => Math.max(0, ms).toString(16).padStart(12, '0').replace(/^.{8}/, '$&-')
  return {
    ...(from && { $gte: idAt(from.getTime() - 1_000) }),
    ...(to && { $lt: idAt(to.getTime() + 1_000) }),
  }
}

const primary = { readPreference: 'primaryPreferred' } as const

export const projection = {
  email: 1,
  name: 1,
  roles: 1,
  isActive: 1,
  createdAt: 1,
  updatedAt: 1,
  roleCount: 1,
  isBuyer: 1,
  isSeller: 1,
  version: 1,
} as const satisfies Record<keyof Omit<Shown, '_id'>, 1>
