import { ConsumerProgress } from '../consuming/consumer-progress.ts'
import { projections } from '../projections/index.ts'
import { FollowedDatabase } from '../read-store/followed-database.ts'
import { ReadModel } from '../read-store/read-model.ts'
import { RebuildRecord } from '../read-store/rebuild-record.ts'
import { rebuildReadModel } from '../upkeep/rebuild-read-model.ts'
import { WriteSide } from '../upkeep/write-side.ts'
import type { CliContext } from './context.ts'
import { progressBar } from './progress-bar.ts'

/** Rebuilds a read model, or resumes or abandons an interrupted rebuild. @returns the exit code */
export async function rebuild([name = '', option, ...more]: string[], { db, nats, fail }: CliContext): Promise<number> {
  const projection = projections.find((projection) => projection.name === name)
  if (!projection || more.length > 0 || (option !== undefined && option !== '--abandon')) return fail()
  const record = new RebuildRecord(db, projection)
  if (option) {
    const abandoned = await record.abandon()
    console.log(abandoned ? `${name}: abandoned ${abandoned}, which is dropped later` : `${name}: nothing to abandon`)
    return abandoned ? 0 : 1
  }
  const progress = new ConsumerProgress(nats)
  const bar = progressBar(name, process.stderr)
  const rebuilt = rebuildReadModel(new ReadModel(db, projection), {
    record,
    writeSide: new WriteSide(nats, new FollowedDatabase(db)),
    earlierBatchesDone: async (consumer) => {
      if (!(await progress.earlierBatchesDone(consumer, 60_000)))
        throw new Error('the projector holds messages that it cannot handle (see its /readyz); run this again later')
    },
    onProgress: bar.show,
  })
  const { collection, filled } = await rebuilt.finally(bar.end)
  console.log(`${name}: ${filled} users in ${collection}, which is live now`)
  return 0
}
