import { createHash } from 'node:crypto'
import {
  type DigestReply,
  digestLine,
  type PageReply,
  Snapshot,
  type StateField,
  stateText,
  type VersionOf,
  type VersionsReply,
} from '@cqrs/contracts'
import type { Collection, Db, Filter, FindCursor } from 'mongodb'
import { Compile } from 'typebox/compile'
import { publicState, tokenState } from '../domain/user.ts'
import { type TombstoneDocument, type UserDocument, usersCollection } from './user-document.ts'
import { toUser } from './user-repository.ts'
import { identityOf } from './write-database.ts'

type Stored = UserDocument | TombstoneDocument

/**
 * What the read side can request from the write model, in pages by ascending id. It reads what a majority has: what a
 * fail-over takes back would stay in the read models.
 */
export class UserSync {
  readonly #db: Db
  readonly #users: Collection<Stored>

  constructor(db: Db) {
    this.#db = db
    this.#users = db.collection(usersCollection, { readConcern: { level: 'majority' } })
  }

  /** @throws Error if the database has no identity */
  identity(): Promise<string> {
    return identityOf(this.#db)
  }

  /** Count and digest of the next `limit` live users after an id. */
  async digest(after: string, limit: number, fields: StateField[]): Promise<Reply<DigestReply>> {
    const hash = createHash('sha256')
    let count = 0
    let last: string | null = null
    for await (const user of this.#find({ _id: { $gt: after }, email: { $exists: true } }, limit)) {
      hash.update(digestLine(user._id, user.version, textOf(user, fields)))
      count++
      last = user._id
    }
    return { upTo: count === limit ? last : null, count, digest: hash.digest('hex') }
  }

  /** The next `limit` users and tombstones after `after` up to `upTo` (null: to the end), with version and content. */
  async versions(
    after: string,
    upTo: string | null,
    limit: number,
    fields: StateField[],
  ): Promise<Reply<VersionsReply>> {
    const found = this.#find({ _id: { $gt: after, ...(upTo && { $lte: upTo }) } }, limit)
    const toVersion = (user: Stored): VersionOf => ({
      id: user._id,
      version: user.version,
      ...('email' in user && { content: createHash('sha256').update(textOf(user, fields)).digest('base64url') }),
      ...(user.pendingSince && { pending: true }),
    })
    return { users: await found.map(toVersion).toArray() }
  }

  /**
   * The next `limit` users after an id, as snapshots, tombstones included, and the ids of those whose document is
   * malformed: a reader would refuse the whole page.
   */
  async page(after: string, limit: number): Promise<Reply<PageReply> & { malformed: string[] }> {
    const [documents, total] = await Promise.all([
      this.#find({ _id: { $gt: after } }, limit).toArray(),
      this.#users.estimatedDocumentCount(),
    ])
    const last = documents.length === limit ? documents.at(-1)?._id : undefined
    const read = documents.map((document) => ({ id: document._id, snapshot: readable(document) }))
    return {
      snapshots: read.flatMap(({ snapshot }) => snapshot ?? []),
      malformed: read.flatMap(({ id, snapshot }) => (snapshot ? [] : [id])),
      next: last ?? null,
      total,
    }
  }

  /** These users, as far as the database knows them: as documents, because one that is malformed is no snapshot. */
  async findAny(ids: string[]): Promise<Map<string, Stored>> {
    const documents = await this.#find({ _id: { $in: ids } }, ids.length).toArray()
    return new Map(documents.map((document) => [document._id, document]))
  }

  /** @throws TypeError if the document is malformed */
  snapshotOf(document: Stored): Snapshot {
    return toSnapshot(document)
  }

  #find(filter: Filter<Stored>, limit: number): FindCursor<Stored> {
    return this.#users.find(filter, { projection: shown }).sort({ _id: 1 }).limit(limit)
  }
}

/** The responder adds the identity of the database. */
type Reply<Whole> = Omit<Whole, 'writeDatabase'>

/** The server leaves out the rest: an outbox can be large, and no secret leaves the database. */
const shown = {
  version: 1,
  email: 1,
  name: 1,
  roles: 1,
  isActive: 1,
  createdAt: 1,
  updatedAt: 1,
  tokensFromVersion: 1,
  tokensRevokedAt: 1,
  deletedAt: 1,
  pendingSince: 1,
} as const

const textOf = (user: Stored, fields: StateField[]): string =>
  stateText({ ...user, createdOn: dayOf('createdAt' in user ? user.createdAt : null) }, fields)

/** Works for every value: one document of another shape must not prevent the comparison of the others. */
const dayOf = (time: unknown): string => JSON.stringify(time ?? null).slice(1, 11)

function readable(document: Stored): Snapshot | undefined {
  try {
    const snapshot = toSnapshot(document)
    return isSnapshot.Check(snapshot) ? snapshot : undefined
  } catch {
    return undefined
  }
}

const isSnapshot = Compile(Snapshot)

function toSnapshot(document: Stored): Snapshot {
  const { _id: id, version } = document
  if ('email' in document) {
    const user = toUser(document)
    return { id, version, user: publicState(user), ...tokenState(user) }
  }
  return { id, version, deletedAt: document.deletedAt.toISOString() }
}
