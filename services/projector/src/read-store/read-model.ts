import { type ReadModelState, readModelsCollection } from '@cqrs/contracts'
import type { CollectionPlan } from '@cqrs/service-kit'
import type { ClientSession, Collection, Db } from 'mongodb'
import type { Projection, Sums, VersionedDocument } from '../projections/projection.ts'
import { writeNewer } from './versioned-writes.ts'

/**
 * The collections that a projection fills: the live one, which queries read, and during and shortly after a rebuild one
 * more. They are looked up for each batch, because a rebuild relies on a batch that starts now writing to all of them.
 */
export class ReadModel {
  readonly projection: Projection
  readonly #db: Db
  readonly #states: Collection<ReadModelState>

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

  /** The name of the collection that queries read. */
  async live(): Promise<string> {
    return (await this.#state()).live
  }

  /**
   * Stores each document unless the stored one has the same or a higher version, so the order and number of calls do
   * not matter, nor concurrent writers.
   * @param documents at most one with the same `_id`
   * @throws the driver's error; some documents may be stored then, and it is safe to store all of them again
   */
  async advance(documents: readonly VersionedDocument[]): Promise<void> {
    if (documents.length === 0) return
    const { written } = await this.#state()
    for (const name of written) await this.advanceIn(name, documents)
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

  /**
   * Id and version of the users who are not deleted, after one id up to another, inclusive (null: to the end),
   * ascending.
   */
  async versions(after: string, upTo: string | null): Promise<[id: string, version: number][]> {
    const range = { $gt: after, ...(upTo && { $lte: upTo }) }
    const found = this.#collection(await this.live())
      .find({ _id: range, version: { $exists: true }, deletedAt: null }, { projection: { version: 1 } })
      .sort({ _id: 1 })
    return found.map(({ _id, version }): [string, number] => [_id, version]).toArray()
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

  async #state(): Promise<Pick<ReadModelState, 'live' | 'written'>> {
    const { name } = this.projection
    return (await this.#states.findOne({ _id: name })) ?? { live: name, written: [name] }
  }

  #collection(name: string): Collection<VersionedDocument> {
    return this.#db.collection(name)
  }
}

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
