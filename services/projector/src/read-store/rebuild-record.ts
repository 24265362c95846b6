import { randomUUID } from 'node:crypto'
import { type ReadModelState, readModelsCollection } from '@cqrs/contracts'
import { inMs, isOver } from '@cqrs/service-kit'
import type { Collection, Db, Document, UpdateFilter } from 'mongodb'

/** The progress of filling a new collection. It is stored, so that an interrupted rebuild can be resumed. */
export type Rebuild = {
  collection: string
  /** The last id of the pages that are stored. */
  after: string
  filled: number
  owner: string
  /** Until then the owner counts as alive, by the database's clock. */
  ownedUntil: Date
}

type State = ReadModelState & { rebuild?: Rebuild; retired?: { collection: string; at: Date }[] }

/**
 * The document of one read model that says which collection is live, and how far a rebuild by this process is. What
 * changes a rebuild throws when another process has taken it over.
 */
export class RebuildRecord {
  readonly #db: Db
  readonly #states: Collection<State>
  readonly #name: string
  readonly #owner = randomUUID()

  /** @param name the projection's */
  constructor(db: Db, name: string) {
    this.#db = db
    this.#states = db.collection(readModelsCollection)
    this.#name = name
  }

  /**
   * Begins a rebuild, or takes over one whose owner died.
   * @returns undefined while another process is rebuilding
   */
  async claim(newCollection: string): Promise<Rebuild | undefined> {
    const initial = { live: this.#name, written: [this.#name] }
    await this.#states.updateOne({ _id: this.#name }, { $setOnInsert: initial }, { upsert: true })
    const fresh = { collection: newCollection, after: '', filled: 0 }
    const owned = { owner: this.#owner, ownedUntil: inMs(ownedMs) }
    const claimed = await this.#states.findOneAndUpdate(
      { _id: this.#name, $expr: isOver('$rebuild.ownedUntil', ownedMs) },
      [{ $set: { rebuild: { $mergeObjects: [fresh, '$rebuild', owned] } } }],
      { returnDocument: 'after' },
    )
    return claimed?.rebuild
  }

  /** Has events applied to the new collection as well, before the live one. */
  async writeAlso(collection: string): Promise<void> {
    await this.#states.updateOne(
      { _id: this.#name, written: { $ne: collection } },
      { $push: { written: { $each: [collection], $position: 0 } } },
    )
  }

  /** Renews the claim. */
  keep(): Promise<void> {
    return this.#update([{ $set: { 'rebuild.ownedUntil': inMs(ownedMs) } }])
  }

  /** Gives up the claim. The progress stays, so that the next rebuild resumes there. */
  leave(): Promise<void> {
    return this.#update({ $set: { 'rebuild.ownedUntil': new Date(0) } })
  }

  /** Stores the progress. */
  progress({ after, filled }: Pick<Rebuild, 'after' | 'filled'>): Promise<void> {
    return this.#update({ $set: { 'rebuild.after': after, 'rebuild.filled': filled } })
  }

  /** Makes the new collection live, in one write. The old one is still written, for those who still read it. */
  switch(): Promise<void> {
    const retiring = [{ collection: '$live', at: '$$NOW' }]
    const retired = { $concatArrays: [{ $ifNull: ['$retired', []] }, retiring] }
    return this.#update([{ $set: { live: '$rebuild.collection', retired } }, { $unset: 'rebuild' }])
  }

  /**
   * Retires collections that are no longer live, in two steps: `unwrittenAfterMs` after the switch events are no longer
   * applied to them, and after twice that time they are dropped.
   */
  async retire(unwrittenAfterMs: number): Promise<void> {
    const projection = { retired: 1, now: '$$NOW' }
    const state = await this.#states.findOne<State & { now: Date }>({ _id: this.#name }, { projection })
    if (!state) return
    const before = (ms: number) => (state.retired ?? []).filter(({ at }) => state.now.getTime() - at.getTime() > ms)
    const unwritten = before(unwrittenAfterMs).map(({ collection }) => collection)
    if (unwritten.length > 0) await this.#states.updateOne({ _id: this.#name }, { $pullAll: { written: unwritten } })
    for (const { collection } of before(2 * unwrittenAfterMs)) {
      await this.#db.dropCollection(collection)
      await this.#states.updateOne({ _id: this.#name }, { $pull: { retired: { collection } } })
    }
  }

  async #update(update: UpdateFilter<State> | Document[]): Promise<void> {
    const { matchedCount } = await this.#states.updateOne({ _id: this.#name, 'rebuild.owner': this.#owner }, update)
    if (matchedCount === 0) throw new Error('another process has taken over this rebuild')
  }
}

/** 15 s: three times the interval in which a living owner renews its claim. */
const ownedMs = 15_000
