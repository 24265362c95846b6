import {
  type LiveShape,
  type ReadModelName,
  readModelShapes,
  readModelsCollection,
  type ShapeState,
  shapeName,
} from '@cqrs/contracts'
import { gauges } from '@cqrs/service-kit'
import type { Collection, Db } from 'mongodb'
import type { Rebuild, RebuiltState } from './rebuilt-state.ts'

/** The documents of `read_models`: which shape of each read model is live, and the collections of each shape. */
export class Shapes {
  readonly #db: Db
  readonly #live: Collection<LiveShape>
  readonly #states: Collection<RebuiltState>

  constructor(db: Db) {
    this.#db = db
    this.#live = db.collection(readModelsCollection)
    this.#states = db.collection(readModelsCollection)
  }

  /**
   * Creates the documents that are missing. Of a new read model the latest shape is live at once, and the others are
   * dropped. Another new shape is live after it was filled and switched to.
   */
  async create(): Promise<void> {
    for (const [readModel, shapes] of Object.entries(readModelShapes) as [ReadModelName, readonly number[]][]) {
      const unversioned = await this.#unversioned(readModel)
      const isNew = (await this.live(readModel)) === undefined
      const first = unversioned ? 1 : Math.max(...shapes)
      for (const shape of shapes) {
        const name = shapeName(readModel, shape)
        const collection = shape === 1 ? (unversioned ?? name) : name
        const isLive = shape === first
        const initial = {
          live: collection,
          // Of a new read model, nobody needs the others.
          written: isNew && !isLive ? [] : [collection],
          ...(isNew && isLive && { filledAt: '$$NOW' }),
        }
        await this.#states.updateOne({ _id: name }, [{ $set: unlessSet(initial) }], { upsert: true })
      }
      const initial = unlessSet({ shape: first, since: '$$NOW' })
      await this.#live.updateOne({ _id: readModel }, [{ $set: initial }], { upsert: true })
    }
  }

  /** The shape that is live; undefined before `create`. */
  async live(readModel: ReadModelName): Promise<LiveShape | undefined> {
    return (await this.#live.findOne({ _id: readModel, shape: { $exists: true } })) ?? undefined
  }

  /** Every shape of a read model, also those that this release does not know, ascending. */
  async of(readModel: ReadModelName): Promise<(RebuiltState & { shape: number })[]> {
    const states = await this.#states.find({ _id: { $regex: `^${readModel}_v\\d+$` } }).toArray()
    return states
      .map((state) => ({ ...state, shape: Number(state._id.slice(readModel.length + 2)) }))
      .sort((one, other) => one.shape - other.shape)
  }

  /** The live shapes, and how far rebuilds are. */
  async progress() {
    const [live, states] = await Promise.all([
      this.#live.find({ shape: { $exists: true } }).toArray(),
      this.#states.find({ live: { $exists: true } }).toArray(),
    ])
    const ratio = ({ filled, total = 0 }: Rebuild) => Math.min(1, filled / (total || 1))
    return {
      projector_live_shape: Object.fromEntries(live.map(({ _id, shape }) => [_id, shape])),
      projector_rebuild_progress_ratio: Object.fromEntries(
        states.map(({ _id, rebuild }) => [_id, rebuild ? ratio(rebuild) : 1]),
      ),
    }
  }

  /** Has queries read another shape, in one write. @throws Error if another process has switched since */
  async switch(readModel: ReadModelName, { from, to }: { from: number; to: number }): Promise<void> {
    const switched = [{ $set: { shape: to, before: from, since: '$$NOW' } }]
    const { matchedCount } = await this.#live.updateOne({ _id: readModel, shape: from }, switched)
    if (matchedCount === 0) throw new Error('another process has switched the shape')
  }

  /** Lets go of a shape that is not live: it is no longer written, and its collections are dropped later. */
  async drop(name: string): Promise<void> {
    const retiring = {
      $map: { input: { $setUnion: ['$written', ['$live']] }, in: { collection: '$$this', at: '$$NOW' } },
    }
    await this.#states.updateOne({ _id: name }, [
      { $set: { retired: { $concatArrays: [{ $ifNull: ['$retired', []] }, retiring] }, written: [] } },
      { $unset: ['rebuild', 'filledAt'] },
    ])
  }

  /** Drops the shapes that a newer one has replaced for `keptMs`. */
  async dropReplaced(keptMs: number): Promise<void> {
    const ago = { $lt: ['$since', { $subtract: ['$$NOW', keptMs] }] }
    for (const { _id: readModel, shape: live } of await this.#live
      .find({ $expr: ago, before: { $exists: true } })
      .toArray())
      for (const { _id, shape, written } of await this.of(readModel))
        if (shape < live && written.length > 0) await this.drop(_id)
  }

  /**
   * Retires collections that are no longer live, in two steps: `unwrittenAfterMs` after the switch events are no longer
   * applied to them, and after twice that time they are dropped.
   */
  async retire(unwrittenAfterMs: number): Promise<void> {
    const projection = { retired: 1, now: '$$NOW' }
    const states = this.#states.find<RebuiltState & { now: Date }>({ retired: { $ne: [] } }, { projection })
    for await (const { _id, retired = [], now } of states) {
      const before = (ms: number) => retired.filter(({ at }) => now.getTime() - at.getTime() > ms)
      const unwritten = before(unwrittenAfterMs).map(({ collection }) => collection)
      if (unwritten.length > 0) await this.#states.updateOne({ _id }, { $pullAll: { written: unwritten } })
      for (const { collection } of before(2 * unwrittenAfterMs)) {
        await this.#db.dropCollection(collection)
        await this.#states.updateOne({ _id }, { $pull: { retired: { collection } } })
      }
    }
  }

  /** The collection of a read model from before 0.2.0, which had no shapes: it has the first one. */
  async #unversioned(readModel: ReadModelName): Promise<string | undefined> {
    const state = await this.#states.findOne({ _id: readModel })
    if (state) return state.live
    return (await this.#db.listCollections({ name: readModel }).hasNext()) ? readModel : undefined
  }
}

export const measureShapes = gauges(
  {
    projector_live_shape: { help: 'Number of the shape that queries read', label: 'read_model' },
    projector_rebuild_progress_ratio: {
      help: 'Share of the users that a rebuild has stored; 1 if none is under way',
      label: 'read_model',
    },
  },
  (shapes: Shapes) => shapes.progress(),
)

export type Condition = 'filled' | 'not filled' | 'dropped'

/** Whether a shape has every user but for differences that the comparison finds, and events are applied to it. */
export const conditionOf = ({ written, filledAt }: ShapeState): Condition =>
  written.length === 0 ? 'dropped' : filledAt ? 'filled' : 'not filled'

/** As stages of an update. */
const unlessSet = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { $ifNull: [`$${name}`, value] }]))
