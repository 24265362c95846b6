import { type DirectoryDocument, type DirectoryShape, type Role, wordsOf } from '@cqrs/contracts'
import type { Logger } from '@cqrs/service-kit'
import type { Document } from 'mongodb'
import type { Moment } from './read-database.ts'
import { type Listed, toListed } from './to-read-model.ts'
import { projection } from './user-read-repository.ts'

/** The end of a page: the time of the last change of its last user, in ms, and the id. */
export type ChangedAt = { at: number; id: string }

/** Reads `user_directory`, the last change first, with the indexes of contracts. */
export class UserDirectoryRepository {
  readonly #logger: Logger | undefined

  constructor({ logger }: { logger?: Logger } = {}) {
    this.#logger = logger
  }

  /** Users, optionally only those with a word, or with a role: no index serves both. */
  async byChange(
    {
      word,
      role,
      limit,
      after,
    }: {
      word?: string | undefined
      role?: Role | undefined
      limit: number
      after?: ChangedAt | undefined
    },
    moment: Moment,
  ): Promise<(Listed & { changedAt: ChangedAt })[]> {
    const among = (shape: DirectoryShape) => ({
      ...(word && { words: { $all: wordsOf(word, shape) } }),
      ...(role && { roles: role }),
    })
    const page = { projection, sort: { updatedAt: -1, _id: -1 }, limit } as const
    const find = (range: Document) =>
      moment.find<DirectoryDocument, DirectoryShape>('user_directory', (shape) => ({ ...among(shape), ...range }), page)
    const found = (await Promise.all(rangesAfter(after).map(find))).flat().slice(0, limit)
    return found.map((stored) => ({
      ...toListed(stored, this.#logger),
      changedAt: { at: stored.updatedAt.getTime(), id: stored._id },
    }))
  }
}

/** After a position, users with the same time and a lower id, then users with an earlier time; tombstones have none. */
const rangesAfter = (after: ChangedAt | undefined): Document[] =>
  after
    ? [{ updatedAt: new Date(after.at), _id: { $lt: after.id } }, { updatedAt: { $lt: new Date(after.at) } }]
    : [{ updatedAt: { $gte: new Date(0) } }]
