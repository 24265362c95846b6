import { type ReadModelState, readModelsCollection } from '@cqrs/contracts'
import type { Collection, Db } from 'mongodb'

/** How far the filling of a new collection is. Kept, so that it can be resumed. */
export type Rebuild = {
  collection: string
  /** The last id of the pages that are in. */
  after: string
  filled: number
  owner: string
  /** Until then the owner is taken to be alive. */
  ownedUntil: Date
}

type State = ReadModelState & { rebuild?: Rebuild; retired?: { collection: string; at: Date }[] }

/** The one document of a read model that says which collection is live, and what a rebuild has done so far. */
export class Rebuilds {
  readonly #states: Collection<State>

  constructor(db: Db) {
    this.#states = db.collection(readModelsCollection)
  }

  /**
   * Begins a rebuild, or takes over one whose owner has died.
   * @returns undefined where another process is at it
   */
  async claim(name: string, owner: string, newCollection: string): Promise<Rebuild | undefined> {
    await this.#states.updateOne({ _id: name }, { $setOnInsert: { live: name, written: [name] } }, { upsert: true })
    const fresh = { collection: newCollection, after: '', filled: 0 }
    const claimed = await this.#states.findOneAndUpdate(
      { _id: name, $or: [{ rebuild: { $exists: false } }, { 'rebuild.ownedUntil': { $lt: new Date() } }] },
      [{ $set: { rebuild: { $mergeObjects: [fresh, '$rebuild', { owner, ownedUntil: ownedUntil() }] } } }],
      { returnDocument: 'after' },
    )
    return claimed?.rebuild
  }

  async state(name: string): Promise<State | null> {
    return this.#states.findOne({ _id: name })
  }

  /** From now on events are applied to the new collection too, and to it first. */
  async writeAlso(name: string, collection: string): Promise<void> {
    await this.#states.updateOne(
      { _id: name, written: { $ne: collection } },
      { $push: { written: { $each: [collection], $position: 0 } } },
    )
  }

  /** Says that the owner of a rebuild lives. */
  async keep(name: string, owner: string): Promise<void> {
    await this.#states.updateOne(
      { _id: name, 'rebuild.owner': owner },
      { $set: { 'rebuild.ownedUntil': ownedUntil() } },
    )
  }

  /** Leaves a rebuild, with its progress, to whoever goes on with it. */
  async leave(name: string, owner: string): Promise<void> {
    await this.#states.updateOne({ _id: name, 'rebuild.owner': owner }, { $set: { 'rebuild.ownedUntil': new Date(0) } })
  }

  /** Keeps how far it is. @throws Error when another process has taken over */
  async progress(name: string, owner: string, { after, filled }: Pick<Rebuild, 'after' | 'filled'>): Promise<void> {
    const { matchedCount } = await this.#states.updateOne(
      { _id: name, 'rebuild.owner': owner },
      { $set: { 'rebuild.after': after, 'rebuild.filled': filled } },
    )
    if (matchedCount === 0) throw new Error('another process has taken this rebuild over')
  }

  /** Makes the new collection the live one, in one write. The old one is still written, for those who still read it. */
  async switch(name: string, owner: string): Promise<void> {
    const { matchedCount } = await this.#states.updateOne({ _id: name, 'rebuild.owner': owner }, [
      {
        $set: {
          live: '$rebuild.collection',
          retired: { $concatArrays: [{ $ifNull: ['$retired', []] }, [{ collection: '$live', at: '$$NOW' }]] },
        },
      },
      { $unset: 'rebuild' },
    ])
    if (matchedCount === 0) throw new Error('another process has taken this rebuild over')
  }

  /**
   * Ends the life of collections that were live, in two steps: `unwrittenAfterMs` after the switch they are written no
   * more, and as long again after that they are dropped.
   */
  async retire(name: string, unwrittenAfterMs: number, drop: (collection: string) => Promise<unknown>): Promise<void> {
    const state = await this.state(name)
    const before = (ms: number) => (state?.retired ?? []).filter(({ at }) => Date.now() - at.getTime() > ms)
    const unwritten = before(unwrittenAfterMs).map(({ collection }) => collection)
    if (unwritten.length > 0) await this.#states.updateOne({ _id: name }, { $pullAll: { written: unwritten } })
    for (const { collection } of before(2 * unwrittenAfterMs)) {
      await drop(collection)
      await this.#states.updateOne({ _id: name }, { $pull: { retired: { collection } } })
    }
  }
}

/** 15 s: three times as long as a living owner lets pass. */
const ownedUntil = (): Date => new Date(Date.now() + 15_000)
