import {
  type Page,
  type Role,
  type UserReadDocument,
  type UserReadModel,
  type UserReadTombstone,
  usersReadCollection,
} from '@cqrs/contracts'
import type { Collection, Db, Filter } from 'mongodb'

type Stored = UserReadDocument | UserReadTombstone

/**
 * `users_read`, which the projector fills and this only reads. Deleted users (tombstones) are nowhere to be seen, and
 * each query is served by one of the indexes of contracts.
 */
export class UserReadRepository {
  readonly #users: Collection<Stored>

  constructor(db: Db) {
    this.#users = db.collection(usersReadCollection)
  }

  async findById(id: string): Promise<UserReadModel | undefined> {
    const user = await this.#users.findOne<UserReadDocument>({ _id: id, deletedAt: null }, { projection })
    return user ? toReadModel(user) : undefined
  }

  /** A page of all users, newest first, and how many there are in all. */
  async list(page: Page): Promise<{ data: UserReadModel[]; total: number }> {
    return await this.#page({ deletedAt: null }, page)
  }

  /** The same of the users with this role. A tombstone has no roles, so none is found by one. */
  async listByRole(role: Role, page: Page): Promise<{ data: UserReadModel[]; total: number }> {
    return await this.#page({ roles: role }, page)
  }

  async #page(filter: Filter<Stored>, { limit, offset }: Page): Promise<{ data: UserReadModel[]; total: number }> {
    const options = { projection, sort: { _id: -1 }, skip: offset, limit } as const
    const [users, total] = await Promise.all([
      this.#users.find<UserReadDocument>(filter, options).toArray(),
      this.#users.countDocuments(filter),
    ])
    return { data: users.map(toReadModel), total }
  }
}

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
} as const satisfies Record<keyof Omit<UserReadDocument, '_id'>, 1>

const toReadModel = ({ _id, createdAt, updatedAt, ...rest }: UserReadDocument): UserReadModel => ({
  id: _id,
  ...rest,
  createdAt: createdAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
})
