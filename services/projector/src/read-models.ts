import type { NatsLink } from '@cqrs/service-kit'
import type { Db } from 'mongodb'
import { ConsumerProgress } from './adapters/consumer-progress.ts'
import { ReadModel } from './adapters/read-model.ts'
import { WriteSide } from './adapters/write-side.ts'
import type { Sides } from './operations/verify.ts'
import { projections } from './projections/index.ts'

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
