import {
  type Role,
  type UserReadDocument,
  type UserReadModel,
  type UserReadTombstone,
  usersReadCollection,
} from '@cqrs/contracts'
import type { Collection, Filter, Sort } from 'mongodb'
import type { LiveCollections } from './live-collections.ts'

/** What the projector stores. */
export type Stored = UserReadDocument | UserReadTombstone

/** What is known of an id: the version, and the user, which is undefined where that version is its deletion. */
export type VersionedUser = { version: number; user: UserReadModel | undefined }

/** Tokens of this user that were made at a lower version are dead, since then. */
export type Revocation = { id: string; tokensFromVersion: number; at: Date }

type Revoked = { _id: string; version: number } & (
  | { tokensFromVersion: number; tokensRevokedAt: Date }
  | { deletedAt: Date }
)

/**
 * `users_read`, which the projector fills and this only reads. Deleted users (tombstones) are in no list, and each query
 * is served by one of the indexes of contracts.
 */
export class UserReadRepository {
  readonly #collections: LiveCollections
  /** Whether queries can be answered by a member of the database that lags behind its primary. */
  readonly canLag: boolean

  constructor(collections: LiveCollections, { canLag }: { canLag: boolean } = { canLag: false }) {
    this.#collections = collections
    this.canLag = canLag
  }

  /**
   * What is known of these ids in this live collection, in one query.
   * @param upToDate asks the primary where there is one, and not a member that may lag behind it
   */
  async findByIds(
    ids: string[],
    { from, upToDate }: { from: Collection<Stored>; upToDate: boolean },
  ): Promise<Map<string, VersionedUser>> {
    const options = { projection: { ...projection, deletedAt: 1 }, ...(upToDate && primary) } as const
    const stored = await from.find({ _id: { $in: ids } }, options).toArray()
    return new Map(stored.map((one) => [one._id, toVersioned(one)]))
  }

  /** Users, newest first: all, or those that are active or not, and those registered from one time until before another. */
  async list({ isActive, createdAfter, createdBefore, ...page }: NewestPage & Filters): Promise<UserReadModel[]> {
    const among = isActive === undefined ? { deletedAt: null } : { isActive }
    const times = { ...(createdAfter && { $gte: createdAfter }), ...(createdBefore && { $lt: createdBefore }) }
    // All are equal in what the order begins with. Said all the same, it keeps the database from walking `_id` alone.
    const by = isActive === undefined ? 'deletedAt' : 'isActive'
    if (!createdAfter && !createdBefore) return await this.#newest(among, page, by)
    const ids = idsRegistered(createdAfter, createdBefore)
    return await this.#newest({ ...among, createdAt: times, _id: ids }, page, by)
  }

  /** The same of the users with this role. A tombstone has no roles, so none is found by one. */
  async listByRole(role: Role, page: NewestPage): Promise<UserReadModel[]> {
    return await this.#newest({ roles: role }, page)
  }

  /** Of whom access tokens were revoked since then, deleted users among them. Read from the primary where there is one. */
  async revokedSince(since: Date): Promise<Revocation[]> {
    const users = await this.#users()
    const filter = { $or: [{ tokensRevokedAt: { $gt: since } }, { deletedAt: { $gt: since } }] }
    const projection = { version: 1, tokensFromVersion: 1, tokensRevokedAt: 1, deletedAt: 1 } as const
    const found = users.find<Revoked>(filter as Filter<Stored>, { projection, readPreference: 'primaryPreferred' })
    return (await found.toArray()).map((stored) =>
      'deletedAt' in stored
        ? { id: stored._id, tokensFromVersion: stored.version, at: stored.deletedAt }
        : { id: stored._id, tokensFromVersion: stored.tokensFromVersion, at: stored.tokensRevokedAt },
    )
  }

  async #newest(
    filter: Filter<Stored>,
    { limit, offset = 0, after }: NewestPage,
    by?: string,
  ): Promise<UserReadModel[]> {
    const users = await this.#users()
    const upTo = after === undefined ? filter : { $and: [filter, { _id: { $lt: after } }] }
    const sort: Sort = { ...(by && { [by]: 1 }), _id: -1 }
    const options = { projection, sort, skip: offset, limit }
    return (await users.find<Shown>(upTo, options).toArray()).map(toReadModel)
  }

  #users() {
    return this.#collections.of<Stored>(usersReadCollection)
  }
}

/** `after`: the id of the last user of the page before. */
export type NewestPage = { limit: number; offset?: number | undefined; after?: string | undefined }

type Filters = { isActive?: boolean | undefined; createdAfter?: Date | undefined; createdBefore?: Date | undefined }

/**
 * The ids that users can have who registered then, so that a time needs no index of its own: an id begins with the
 * milliseconds at which it was made (UUID version 7), which is when its user registered, give or take a second.
 */
function idsRegistered(from: Date | undefined, to: Date | undefined): { $gte?: string; $lt?: string } {
  const idAt = (ms: number) => Math.max(0, ms).toString(16).padStart(12, '0').replace(/^.{8}/, '$&-')
  return {
    ...(from && { $gte: idAt(from.getTime() - 1_000) }),
    ...(to && { $lt: idAt(to.getTime() + 1_000) }),
  }
}

/** What queries answer. */
export type Shown = Omit<UserReadDocument, 'tokensFromVersion' | 'tokensRevokedAt'>

const primary = { readPreference: 'primaryPreferred' } as const

const toVersioned = (stored: Stored): VersionedUser => ({
  version: stored.version,
  user: 'deletedAt' in stored ? undefined : toReadModel(stored),
})

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

export const toReadModel = ({ _id, createdAt, updatedAt, ...rest }: Shown): UserReadModel => ({
  id: _id,
  ...rest,
  createdAt: createdAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
})
