import { type ReadModelState, readModelsCollection } from '@cqrs/contracts'
import { pause } from '@cqrs/service-kit'
import type { Collection, Db, Document } from 'mongodb'

/**
 * The live collection of each read model, as named in `read_models`; a rebuild changes it. Names are at most a second
 * old when the database answers. While there are queries they are refreshed in the background, so that hardly any query
 * waits for them.
 */
export class LiveCollections {
  readonly #db: Db
  #known: Known | undefined
  #asking: Promise<Known> | undefined
  #failedAt = Number.NEGATIVE_INFINITY

  constructor(db: Db) {
    this.#db = db
  }

  /** @throws the driver's error if no valid name is known and the database is unavailable */
  async of<Schema extends Document>(readModel: string): Promise<Collection<Schema>> {
    const { live } = this.#fresh() ?? (await this.#refreshed())
    return this.#db.collection(live.get(readModel) ?? readModel)
  }

  /** The name of the live collection, if it is known without waiting. */
  nameOf(readModel: string): string | undefined {
    const known = this.#fresh()
    return known && (known.live.get(readModel) ?? readModel)
  }

  #fresh(): Known | undefined {
    const known = this.#known
    if (!known) return undefined
    const now = performance.now()
    if (now - known.askedAt > freshMs / 2) this.#ask().catch(() => {})
    if (now - known.askedAt <= freshMs) return known
    return now - this.#failedAt <= failedForMs ? this.#valid() : undefined
  }

  /** Waits for the names, a second at most if older ones are valid: caches can answer while the database hangs. */
  async #refreshed(): Promise<Known> {
    const known = this.#valid()
    if (!known) return await this.#ask()
    const timer = new AbortController()
    const failed = () => {
      if (this.#known === known) this.#failedAt = performance.now()
      return known
    }
    try {
      return await Promise.race([this.#ask().catch(failed), pause(freshMs, timer.signal).then(failed)])
    } finally {
      timer.abort()
    }
  }

  /** On failure the known names stay in use: a collection that was live within `validMs` is still written. */
  #valid(): Known | undefined {
    return this.#known && performance.now() - this.#known.askedAt <= validMs ? this.#known : undefined
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
/** After a failure, queries do not wait for the next one. */
const failedForMs = 5_000

/**
 * The projector writes a collection for at least 60 s after it was live, and drops it later. Half of that time is left
 * for the query itself.
 */
const validMs = 30_000

/** A member that lags far behind could name a collection that is no longer written. */
const readOptions = { readPreference: 'primaryPreferred' } as const
