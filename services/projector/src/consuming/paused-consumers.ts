import type { CollectionPlan } from '@cqrs/service-kit'
import type { Collection, Db } from 'mongodb'

export const pausedConsumersCollection: CollectionPlan = {
  name: 'paused_consumers',
  indexes: [{ name: 'expiry', key: { until: 1 }, expireAfterSeconds: 0 }],
}

/** The consumers that an operator has paused, and until when: a projector resumes any other that is paused. */
export class PausedConsumers {
  readonly #paused: Collection<{ _id: string; until: Date }>

  constructor(db: Db) {
    this.#paused = db.collection(pausedConsumersCollection.name)
  }

  async names(): Promise<Set<string>> {
    const found = this.#paused.find({ $expr: { $gt: ['$until', '$$NOW'] } })
    return new Set(await found.map(({ _id }) => _id).toArray())
  }

  async add(consumer: string, forMs: number): Promise<void> {
    await this.#paused.updateOne({ _id: consumer }, [{ $set: { until: { $add: ['$$NOW', forMs] } } }], { upsert: true })
  }

  async remove(consumer: string): Promise<void> {
    await this.#paused.deleteOne({ _id: consumer })
  }
}
