import { randomUUID } from 'node:crypto'
import type { Collection, Db } from 'mongodb'
import type { CollectionPlan } from './collections.ts'
import { inMs, isOver } from './database-clock.ts'

export const leasesCollection: CollectionPlan = { name: 'leases', indexes: [] }

/**
 * Held by one replica at a time, so that replicas do not repeat each other's work; expires `lifetimeMs` after its
 * holder died, by the database's clock. A holder that was paused can still believe that it holds it, which must cost
 * only time.
 */
export class Lease {
  readonly #leases: Collection<{ _id: string; holder: string; expiresAt: Date }>
  readonly #name: string
  readonly #lifetimeMs: number
  readonly #holder = randomUUID()

  constructor(db: Db, name: string, lifetimeMs: number) {
    this.#leases = db.collection(leasesCollection.name)
    this.#name = name
    this.#lifetimeMs = lifetimeMs
  }

  /** Takes the lease or renews it. @returns whether this process holds it now */
  async acquire(): Promise<boolean> {
    const isMine = { $eq: ['$holder', this.#holder] }
    const taken = { _id: this.#name, holder: this.#holder, expiresAt: inMs(this.#lifetimeMs) }
    const lease = await this.#leases.findOneAndUpdate(
      { _id: this.#name },
      [{ $replaceWith: { $cond: [{ $or: [isMine, isOver('$expiresAt', this.#lifetimeMs)] }, taken, '$$ROOT'] } }],
      { upsert: true, returnDocument: 'after' },
    )
    return lease?.holder === this.#holder
  }

  async release(): Promise<void> {
    await this.#leases.deleteOne({ _id: this.#name, holder: this.#holder })
  }
}
