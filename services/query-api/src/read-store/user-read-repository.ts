import {
  type Role,
  type UserReadDocument,
  type UserReadModel,
  type UserReadTombstone,
  usersReadCollection,
} from '@cqrs/contracts'
import type { Logger } from '@cqrs/service-kit'
import type { Collection, Filter, Sort } from 'mongodb'
import type { LiveCollections } from './live-collections.ts'
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
  readonly #collections: LiveCollections
  /** Whether a member that lags behind the primary may answer queries. */
  readonly canLag: boolean
  readonly #logger: Logger | undefined

  constructor(collections: LiveCollections, { canLag = false, logger }: { canLag?: boolean; logger?: Logger } = {}) {
    this.#collections = collections
    this.canLag = canLag
    this.#logger = logger
  }

  /**
   * Finds these users, deleted ones included, in one query.
   * @param from the live collection, as `LiveCollections` returns it
   * @param upToDate reads the primary if there is one, instead of a member that may lag
   */
  async findByIds(
    ids: string[],
    { from, upToDate }: { from: Collection<Stored>; upToDate: boolean },
  ): Promise<FoundUsers> {
    const options = { projection: { ...projection, deletedAt: 1 }, ...(upToDate && primary) } as const
    const stored = await from.find({ _id: { $in: ids } }, options).toArray()
    const users = new Map<string, VersionedUser>()
    for (const one of stored) {
      const user = 'deletedAt' in one ? undefined : toReadModel(one, this.#logger)
      if (user || 'deletedAt' in one) users.set(one._id, { version: one.version, user })
    }
    return { users, unreadable: stored.map(({ _id }) => _id).filter((id) => !users.has(id)) }
  }

  /** Users, newest first; optionally only (in)active ones, or those registered in [createdAfter, createdBefore). */
  async list({ isActive, createdAfter, createdBefore, ...page }: NewestPage & Filters): Promise<Listed[]> {
    const among = isActive === undefined ? { deletedAt: null } : { isActive }
    const times = { ...(createdAfter && { $gte: createdAfter }), ...(createdBefore && { $lt: createdBefore }) }
    // All users are equal in this field. Sorting by it makes MongoDB use the compound index instead of `_id` alone.
    const by = isActive === undefined ? 'deletedAt' : 'isActive'
    if (!createdAfter && !createdBefore) return await this.#newest(among, page, by)
    const ids = idsRegistered(createdAfter, createdBefore)
    return await this.#newest({ ...among, createdAt: times, _id: ids }, page, by)
  }

  /** Users with this role, newest first. A tombstone has no roles. */
  async listByRole(role: Role, page: NewestPage): Promise<Listed[]> {
    return await this.#newest({ roles: role }, page)
  }

  /** Revocations of the last `ms`, deletions included, by the database's clock. Reads the primary if there is one. */
  async revokedWithin(ms: number): Promise<Revocation[]> {
    const users = await this.#users()
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

  async #newest(filter: Filter<Stored>, { limit, offset = 0, after }: NewestPage, by?: string): Promise<Listed[]> {
    const users = await this.#users()
    const upTo = after === undefined ? filter : { $and: [filter, { _id: { $lt: after } }] }
    const sort: Sort = { ...(by && { [by]: 1 }), _id: -1 }
    const options = { projection, sort, skip: offset, limit }
    return (await users.find<Shown>(upTo, options).toArray()).map((stored) => toListed(stored, this.#logger))
  }

  #users() {
    return this.#collections.of<Stored>(usersReadCollection)
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
