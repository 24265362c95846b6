import { createHash } from 'node:crypto'
import { type DigestReply, digestLine, type PageReply, type Snapshot, type VersionsReply } from '@cqrs/contracts'
import type { Collection, Db, Filter } from 'mongodb'
import { publicState, tokenState } from '../domain/user.ts'
import { type TombstoneDocument, type UserDocument, usersCollection } from './user-document.ts'
import { toUser } from './user-repository.ts'

type Stored = UserDocument | TombstoneDocument

/** What the read side can request from the write model, in pages by ascending id. */
export class UserSync {
  readonly #users: Collection<Stored>

  constructor(db: Db) {
    this.#users = db.collection(usersCollection)
  }

  /** Count and digest of the next `limit` live users after an id. */
  async digest(after: string, limit: number): Promise<DigestReply> {
    const users = await this.#versions({ _id: { $gt: after } }, limit)
    const hash = createHash('sha256')
    for (const [id, version] of users) hash.update(digestLine({ id, version }))
    const last = users.length === limit ? users.at(-1)?.[0] : undefined
    return { upTo: last ?? null, count: users.length, digest: hash.digest('hex') }
  }

  /**
   * Ids and versions of the live users after `after` up to `upTo` (null: all), and which of them have pending events.
   */
  async versions(after: string, upTo: string | null): Promise<VersionsReply> {
    const range = { _id: { $gt: after, ...(upTo && { $lte: upTo }) } }
    const waiting = this.#users.find({ ...range, pendingSince: { $exists: true } }, { projection: { _id: 1 } })
    // Pending users first: an event that is published between the two reads is then not mistaken for a difference.
    const pending = await waiting.map(({ _id }) => _id).toArray()
    return { users: await this.#versions(range, 10_000), pending }
  }

  /** The next `limit` users after an id, as snapshots, tombstones included. */
  async page(after: string, limit: number): Promise<PageReply> {
    const [documents, total] = await Promise.all([
      this.#users
        .find({ _id: { $gt: after } }, { projection: { outbox: 0, passwordHash: 0 } })
        .sort({ _id: 1 })
        .limit(limit)
        .toArray(),
      this.#users.estimatedDocumentCount(),
    ])
    const last = documents.length === limit ? documents.at(-1)?._id : undefined
    return { snapshots: documents.map(toSnapshot), next: last ?? null, total }
  }

  async findAny(id: string): Promise<Snapshot | undefined> {
    const document = await this.#users.findOne({ _id: id }, { projection: { outbox: 0, passwordHash: 0 } })
    return document ? toSnapshot(document) : undefined
  }

  async #versions(filter: Filter<Stored>, limit: number): Promise<[id: string, version: number][]> {
    const live = { ...filter, email: { $exists: true } }
    const found = this.#users
      .find(live, { projection: { version: 1 } })
      .sort({ _id: 1 })
      .limit(limit)
    return found.map(({ _id, version }): [string, number] => [_id, version]).toArray()
  }
}

function toSnapshot(document: Stored): Snapshot {
  const { _id: id, version } = document
  if ('email' in document) {
    const user = toUser(document)
    return { id, version, user: publicState(user), ...tokenState(user) }
  }
  return { id, version, deletedAt: document.deletedAt.toISOString() }
}
