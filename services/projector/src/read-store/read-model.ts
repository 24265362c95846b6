import { createHash } from 'node:crypto'
import {
  digestLine,
  readModelsCollection,
  type ShapeState,
  type StateField,
  stateText,
  type VersionOf,
} from '@cqrs/contracts'
import { type CollectionPlan, isStorageUnavailable } from '@cqrs/service-kit'
import { type ClientSession, type Collection, type Db, type Document, type FindCursor, MongoError } from 'mongodb'
import type { Projection, Sums, VersionedDocument } from '../projections/projection.ts'
import { stopWriting } from './rebuilt-state.ts'
import { type Condition, conditionOf } from './shapes.ts'
import { writeNewer } from './versioned-writes.ts'

/**
 * The collections that a projection fills: the live one, which queries read, and during and shortly after a rebuild one
 * more. They are looked up for each batch, because a rebuild relies on a batch that starts now writing to all of them.
 */
export class ReadModel {
  readonly projection: Projection
  readonly #db: Db
  readonly #states: Collection<ShapeState>

  constructor(db: Db, projection: Projection) {
    this.#db = db
    this.projection = projection
    this.#states = db.collection(readModelsCollection)
  }

  /** The collections that events are applied to now, with their indexes. */
  async collections(): Promise<CollectionPlan[]> {
    const { written } = await this.#state()
    return written.map((name) => ({ name, indexes: this.projection.indexes }))
  }

  async condition(): Promise<Condition> {
    return conditionOf(await this.#state())
  }

  /** The name of the collection that queries read. */
  async live(): Promise<string> {
    return (await this.#state()).live
  }

  /**
   * Stores each document unless the stored one has the same or a higher version, so the order and number of calls do
   * not matter, nor concurrent writers.
   * A collection that is not live must not stop the live one: if it refuses, it is no longer written and its rebuild is
   * given up. It never becomes live then, so nothing is missing in a live collection.
   * @param documents at most one with the same `_id`
   * @returns the errors of collections that were given up
   * @throws the driver's error; some documents may be stored then, and it is safe to store all of them again
   */
  async advance(documents: readonly VersionedDocument[]): Promise<Error[]> {
    if (documents.length === 0) return []
    const { name: readModel } = this.projection
    const { live, written } = await this.#state()
    const givenUp: Error[] = []
    for (const name of written) {
      try {
        await this.advanceIn(name, documents)
      } catch (error) {
        if (name === live || isPassing(error)) throw error
        const reason = `cannot write to ${name}: ${(error as Error).message}`
        if (!(await stopWriting(this.#db, readModel, name, reason))) throw error
        givenUp.push(new Error(reason, { cause: error }))
      }
    }
    return givenUp
  }

  /**
   * The same for one collection.
   * @param isEmpty whether it has hardly any of the documents, which are then inserted first
   */
  async advanceIn(name: string, documents: readonly VersionedDocument[], { isEmpty = false } = {}): Promise<void> {
    const { sums } = this.projection
    if (sums) await this.#advanceWithSums(name, documents, sums)
    else await writeNewer(this.#collection(name), documents, ({ version }) => isEmpty || version === 1)
  }

  async ensureIndexes(name: string): Promise<void> {
    await this.#collection(name).createIndexes([...this.projection.indexes])
  }

  /** The fields of a user's state that its documents show. */
  get fields(): readonly StateField[] {
    return this.projection.shows.fields
  }

  /** Count and digest of the living users after one id up to another, inclusive (null: to the end). */
  async digest(after: string, upTo: string | null): Promise<{ count: number; digest: string }> {
    const hash = createHash('sha256')
    let count = 0
    for await (const document of await this.#range(after, upTo)) {
      if (isTombstone(document)) continue
      hash.update(digestLine(document._id, document.version, this.#textOf(document)))
      count++
    }
    return { count, digest: hash.digest('hex') }
  }

  /** At most `limit` of these users, and of tombstones, ascending, with version and content. */
  async versions(after: string, upTo: string | null, limit: number): Promise<VersionOf[]> {
    const found = (await this.#range(after, upTo)).limit(limit)
    const contentOf = (document: VersionedDocument) =>
      createHash('sha256').update(this.#textOf(document)).digest('base64url')
    return found
      .map((document) => ({
        id: document._id,
        version: document.version,
        ...(!isTombstone(document) && { content: contentOf(document) }),
      }))
      .toArray()
  }

  /**
   * By how much each sum is too low, counted in one snapshot. A change moves the sums in the transaction that writes
   * its document, so `correct` is right whatever happened since; of two that run at once, one corrects.
   */
  async wrongSums(): Promise<{ missing: Record<string, number>; correct: () => Promise<void> }> {
    const { sums } = this.projection
    if (!sums) return { missing: {}, correct: async () => {} }
    const collection = this.#collection(await this.live())
    const totals: Record<string, number> = {}
    const add = (name: string, share: number) => {
      totals[name] = (totals[name] ?? 0) + share
    }
    let corrections = 0
    await this.#db.client.withSession({ snapshot: true }, async (session) => {
      for await (const document of collection.find({}, { session })) {
        if (document._id !== sums.documentId) {
          for (const [name, share] of Object.entries(sums.tally(document))) add(name, share)
          continue
        }
        const { _id, corrections: before = 0, ...stored } = document as Document
        corrections = before
        for (const [name, sum] of flat(stored)) add(name, -sum)
      }
    })
    const missing = Object.fromEntries(Object.entries(totals).filter(([, share]) => share !== 0))
    const isAsRead = { _id: sums.documentId, corrections: corrections === 0 ? { $exists: false } : corrections }
    return {
      missing,
      correct: async () => {
        if (Object.keys(missing).length === 0) return
        await collection.updateOne(isAsRead as object, { $inc: { ...missing, corrections: 1 } }, { upsert: true })
      },
    }
  }

  async #range(after: string, upTo: string | null): Promise<FindCursor<VersionedDocument>> {
    const range = { $gt: after, ...(upTo && { $lte: upTo }) }
    return this.#collection(await this.live())
      .find({ _id: range, version: { $exists: true } })
      .sort({ _id: 1 })
  }

  #textOf(document: VersionedDocument): string {
    return stateText(this.projection.shows.of(document), this.fields)
  }

  /** In one transaction, so that the sums change exactly once for each document that is replaced. */
  async #advanceWithSums(name: string, documents: readonly VersionedDocument[], sums: Sums): Promise<void> {
    await this.#db.client.withSession((session) =>
      session.withTransaction(async () => {
        const changes = await this.#changes(name, documents, session)
        if (changes.length === 0) return
        const writes = changes.map(({ before, after }) =>
          before
            ? { replaceOne: { filter: { _id: after._id }, replacement: after } }
            : { insertOne: { document: after } },
        )
        const update = { $inc: difference(changes, sums) }
        const counting = { updateOne: { filter: { _id: sums.documentId }, update, upsert: true } }
        await this.#collection(name).bulkWrite([...writes, counting], { ordered: false, session })
      }),
    )
  }

  /** The documents that are newer than the stored ones, with those. */
  async #changes(name: string, documents: readonly VersionedDocument[], session: ClientSession) {
    const ids = documents.map(({ _id }) => _id)
    const stored = await this.#collection(name)
      .find({ _id: { $in: ids } }, { session })
      .toArray()
    const byId = new Map(stored.map((document) => [document._id, document]))
    return documents
      .map((after) => ({ after, before: byId.get(after._id) }))
      .filter(({ after, before }) => after.version > (before?.version ?? 0))
  }

  async #state(): Promise<ShapeState> {
    const { name: _id } = this.projection
    return (await this.#states.findOne({ _id })) ?? { _id, live: _id, written: [_id], filledAt: new Date(0) }
  }

  #collection(name: string): Collection<VersionedDocument> {
    return this.#db.collection(name)
  }
}

/** Whether the live collection would refuse as well, so that it says nothing about this one. */
const isPassing = (error: unknown): boolean =>
  isStorageUnavailable(error) || (error instanceof MongoError && error.hasErrorLabel('TransientTransactionError'))

const isTombstone = (document: VersionedDocument): boolean => 'deletedAt' in document

/** Nested sums by their path, such as `byRole.buyer`. */
const flat = (sums: Document, path = ''): [path: string, sum: number][] =>
  Object.entries(sums).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null ? flat(value, `${path}${name}.`) : [[path + name, Number(value)]],
  )

type Change = { before: VersionedDocument | undefined; after: VersionedDocument }

/** By how much the changes move each sum. */
function difference(changes: Change[], { tally }: Sums): Record<string, number> {
  const sums: Record<string, number> = {}
  const add = (document: VersionedDocument, times: 1 | -1) => {
    for (const [name, share] of Object.entries(tally(document))) sums[name] = (sums[name] ?? 0) + times * share
  }
  for (const { before, after } of changes) {
    if (before) add(before, -1)
    add(after, 1)
  }
  return sums
}
