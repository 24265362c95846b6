import { type ReadModelState, readModelsCollection } from '@cqrs/contracts'
import type { Collection, Db, Document } from 'mongodb'

/**
 * The live collection of each read model, as named in `read_models`; a rebuild changes it. Names are refreshed in the
 * background, about once a second while there are queries. Only the first query, or the first in a long time, waits for
 * them.
 */
export class LiveCollections {
  readonly #db: Db
  #known: Known | undefined
  #asking: Promise<Known> | undefined

  constructor(db: Db) {
    this.#db = db
  }

  /** @throws the driver's error if no valid name is known and the database is unavailable */
  async of<Schema extends Document>(readModel: string): Promise<Collection<Schema>> {
    const { live } = this.#valid() ?? (await this.#ask())
    return this.#db.collection(live.get(readModel) ?? readModel)
  }

  /** The name of the live collection, if a valid one is known. Never waits. */
  nameOf(readModel: string): string | undefined {
    const known = this.#valid()
    return known && (known.live.get(readModel) ?? readModel)
  }

  #valid(): Known | undefined {
    const known = this.#known
    if (!known) return undefined
    const ageMs = performance.now() - known.askedAt
    if (ageMs > validMs) return undefined
    // On failure the known names stay in use: a collection that was live within `validMs` is still written.
    if (ageMs > freshMs) this.#ask().catch(() => {})
    return known
  }

  #ask(): Promise<Known> {
    this.#asking ??= this.#read().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #read(): Promise<Known> {
    // However long the answer takes, it is at least as new as this moment.
    const askedAt = performance.now()
    const states = await this.#db.collection<ReadModelState>(readModelsCollection).find({}, readOptions).toArray()
    this.#known = { live: new Map(states.map(({ _id, live }) => [_id, live])), askedAt }
    return this.#known
  }
}

/** The name of the live collection by read model, and the time at which it was requested (`performance.now`). */
type Known = { live: Map<string, string>; askedAt: number }

const freshMs = 1_000

/**
 * The projector writes a collection for at least 60 s after it was live, and drops it later. Half of that time is left
 * for the query itself.
 */
const validMs = 30_000

/** A member that lags far behind could name a collection that is no longer written. */
const readOptions = { readPreference: 'primaryPreferred' } as const
