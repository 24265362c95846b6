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

  /** By the name of the consumer. */
  async current(): Promise<Map<string, Date>> {
    const found = this.#paused.find({ $expr: { $gt: ['$until', '$$NOW'] } })
    return new Map(await found.map(({ _id, until }) => [_id, until] as const).toArray())
  }

  async add(consumer: string, forMs: number): Promise<void> {
    await this.#paused.updateOne({ _id: consumer }, [{ $set: { until: { $add: ['$$NOW', forMs] } } }], { upsert: true })
  }

  async remove(consumer: string): Promise<void> {
    await this.#paused.deleteOne({ _id: consumer })
  }
}
