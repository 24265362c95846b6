import {
  type Page,
  type Role,
  type UserReadDocument,
  type UserReadModel,
  type UserReadTombstone,
  usersReadCollection,
} from '@cqrs/contracts'
import type { Filter } from 'mongodb'
import type { LiveCollections } from './live-collections.ts'

type Stored = UserReadDocument | UserReadTombstone

/** What is known of an id: the version, and the user, which is undefined where that version is its deletion. */
export type Found = { version: number; user: UserReadModel | undefined }

/**
 * `users_read`, which the projector fills and this only reads. Deleted users (tombstones) are in no list, and each query
 * is served by one of the indexes of contracts.
 */
export class UserReadRepository {
  readonly #collections: LiveCollections

  constructor(collections: LiveCollections) {
    this.#collections = collections
  }

  async findById(id: string): Promise<Found | undefined> {
    const users = await this.#users()
    const stored = await users.findOne({ _id: id }, { projection: { ...projection, deletedAt: 1 } })
    if (!stored) return undefined
    return { version: stored.version, user: 'deletedAt' in stored ? undefined : toReadModel(stored) }
  }

  /** A page of all users, newest first. */
  async list(page: Page): Promise<UserReadModel[]> {
    return await this.#page({ deletedAt: null }, page)
  }

  /** The same of the users with this role. A tombstone has no roles, so none is found by one. */
  async listByRole(role: Role, page: Page): Promise<UserReadModel[]> {
    return await this.#page({ roles: role }, page)
  }

  async #page(filter: Filter<Stored>, { limit, offset }: Page): Promise<UserReadModel[]> {
    const options = { projection, sort: { _id: -1 }, skip: offset, limit } as const
    const users = await this.#users()
    return (await users.find<Shown>(filter, options).toArray()).map(toReadModel)
  }

  #users() {
    return this.#collections.of<Stored>(usersReadCollection)
  }
}

/** What queries answer. */
type Shown = Omit<UserReadDocument, 'tokensFromVersion' | 'tokensRevokedAt'>

const projection = {
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

const toReadModel = ({ _id, createdAt, updatedAt, ...rest }: Shown): UserReadModel => ({
  id: _id,
  ...rest,
  createdAt: createdAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
})
