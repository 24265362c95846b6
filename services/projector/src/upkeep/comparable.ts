import type { NatsLink } from '@cqrs/service-kit'
import type { Db } from 'mongodb'
import { ConsumerProgress } from '../consuming/consumer-progress.ts'
import { projections } from '../projections/index.ts'
import { ReadModel } from '../read-store/read-model.ts'
import type { Sides } from './find-differences.ts'
import { WriteSide } from './write-side.ts'

/** Every projection with its collections and with what comparing it needs: for the process and for its command line. */
export function readModelsOf(db: Db, nats: NatsLink) {
  const writeSide = new WriteSide(nats)
  const progress = new ConsumerProgress(nats)
  return projections.map((projection) => {
    const { name } = projection
    const readModel = new ReadModel(db, projection)
    const sides: Sides = {
      write: writeSide,
      read: readModel,
      settled: async () => {
        if (!(await progress.hasCaughtUp(name, 10_000)))
          throw new Error(`${name} is behind the events, so it cannot be compared now`)
      },
    }
    return { name, projection, readModel, sides }
  })
}
