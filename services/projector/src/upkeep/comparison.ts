import type { NatsLink } from '@cqrs/service-kit'
import { ConsumerProgress } from '../consuming/consumer-progress.ts'
import type { ReadModel } from '../read-store/read-model.ts'
import type { WriteSide } from './write-side.ts'

/** A read model and the write side that it is compared with. */
export type Comparison = {
  name: string
  write: Pick<WriteSide, 'digest' | 'versions' | 'republish'>
  read: Pick<ReadModel, 'condition' | 'fields' | 'digest' | 'versions' | 'wrongSums'>
  /** Waits until every event that is published now is applied. @throws Error after 10 s */
  settled: () => Promise<void>
}

export function comparisonOf(readModel: ReadModel, write: WriteSide, nats: NatsLink): Comparison {
  const { name } = readModel.projection
  const progress = new ConsumerProgress(nats)
  return {
    name,
    write,
    read: readModel,
    settled: async () => {
      if (!(await progress.hasCaughtUp(name, 10_000)))
        throw new Error(`${name} has not applied all events yet and cannot be compared`)
    },
  }
}
