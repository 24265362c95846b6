import type { NatsLink } from '@cqrs/service-kit'
import { ConsumerProgress } from '../consuming/consumer-progress.ts'
import type { ReadModel } from '../read-store/read-model.ts'
import { WriteSide } from './write-side.ts'

/** A read model and the write side that it is compared with. */
export type Comparison = {
  name: string
  write: Pick<WriteSide, 'digest' | 'versions' | 'republish'>
  read: Pick<ReadModel, 'versions'>
  /** Waits until the events that are published now have been applied. @throws Error where that takes too long */
  settled: () => Promise<void>
}

export function comparisonOf(readModel: ReadModel, nats: NatsLink): Comparison {
  const { name } = readModel.projection
  const progress = new ConsumerProgress(nats)
  return {
    name,
    write: new WriteSide(nats),
    read: readModel,
    settled: async () => {
      if (!(await progress.hasCaughtUp(name, 10_000)))
        throw new Error(`${name} is behind the events, so it cannot be compared now`)
    },
  }
}
