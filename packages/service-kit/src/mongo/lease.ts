import { randomUUID } from 'node:crypto'
import type { Collection, Db } from 'mongodb'
import { isDuplicateKey } from './client.ts'
import type { CollectionPlan } from './collections.ts'

export const leasesCollection: CollectionPlan = { name: 'leases', indexes: [] }

/**
 * Held by one replica at a time, so that replicas do not repeat each other's work; expires `lifetimeMs` after its
 * holder died. If clocks differ, two replicas can hold it for a moment, which must cost only time.
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
    const now = Date.now()
    const free = { _id: this.#name, $or: [{ holder: this.#holder }, { expiresAt: { $lt: new Date(now) } }] }
    const mine = { holder: this.#holder, expiresAt: new Date(now + this.#lifetimeMs) }
    try {
      await this.#leases.updateOne(free, { $set: mine }, { upsert: true })
      return true
    } catch (error) {
      if (isDuplicateKey(error)) return false // another holder has it
      throw error
    }
  }

  async release(): Promise<void> {
    await this.#leases.deleteOne({ _id: this.#name, holder: this.#holder })
  }
}
