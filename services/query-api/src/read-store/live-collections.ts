import { type ReadModelState, readModelsCollection } from '@cqrs/contracts'
import type { Collection, Db, Document } from 'mongodb'

/**
 * The collection in which a read model lives at the moment, as `read_models` says; a rebuild changes it. What that says is
 * kept and asked anew in the background, about once a second while there are queries: a query waits for it only
 * when it is the first, or the first in a long while.
 */
export class LiveCollections {
  readonly #db: Db
  #known: Known | undefined
  #asking: Promise<Known> | undefined

  constructor(db: Db) {
    this.#db = db
  }

  /** @throws the driver's error where nothing is known that could still be trusted, and the database is away */
  async of<Schema extends Document>(readModel: string): Promise<Collection<Schema>> {
    const { live } = await this.#current()
    return this.#db.collection(live.get(readModel) ?? readModel)
  }

  /** Its name, where that is known and can still be trusted. */
  nameOf(readModel: string): string | undefined {
    const known = this.#trusted()
    return known && (known.live.get(readModel) ?? readModel)
  }

  #current(): Known | Promise<Known> {
    return this.#trusted() ?? this.#ask()
  }

  #trusted(): Known | undefined {
    const known = this.#known
    if (!known) return undefined
    const ageMs = performance.now() - known.askedAt
    if (ageMs > trustedMs) return undefined
    // If it fails, the known names stay in use: what was live up to `trustedMs` ago is still kept up to date.
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
    // The answer is at least as new as this moment, however long it takes.
    const askedAt = performance.now()
    const states = await this.#db.collection<ReadModelState>(readModelsCollection).find({}, readOptions).toArray()
    this.#known = { live: new Map(states.map(({ _id, live }) => [_id, live])), askedAt }
    return this.#known
  }
}

/** By read model the name of its live collection, and when that was asked for (of `performance.now`). */
type Known = { live: Map<string, string>; askedAt: number }

const freshMs = 1_000

/**
 * The projector writes a collection for at least 60 s after it was live, and drops it some time later. Half of it
 * leaves a query all the time that it may take.
 */
const trustedMs = 30_000

/** A member that lags far behind could name a collection that is not written any more. */
const readOptions = { readPreference: 'primaryPreferred' } as const
