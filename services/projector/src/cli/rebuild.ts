import { ConsumerProgress } from '../consuming/consumer-progress.ts'
import { Rebuilds } from '../read-store/rebuild-state.ts'
import { readModelsOf } from '../upkeep/comparable.ts'
import { rebuild as rebuildReadModel } from '../upkeep/rebuild-read-model.ts'
import { WriteSide } from '../upkeep/write-side.ts'
import type { CliContext } from './context.ts'
import { progressBar } from './progress-bar.ts'

/** Rebuilds a read model, or goes on with a rebuild that was interrupted. @returns the exit code */
export async function rebuild([name, ...more]: string[], { db, nats, fail }: CliContext): Promise<number> {
  const target = readModelsOf(db, nats).find((readModel) => readModel.name === name)
  if (!target || more.length > 0) return fail()
  const progress = new ConsumerProgress(nats)
  const bar = progressBar(target.name, process.stderr)
  const rebuilt = rebuildReadModel(target.projection, {
    readModel: target.readModel,
    rebuilds: new Rebuilds(db),
    writeSide: new WriteSide(nats),
    earlierBatchesDone: async (consumer) => {
      if (!(await progress.earlierBatchesDone(consumer, 60_000)))
        throw new Error('the projector holds messages that it cannot handle; see its /readyz. Run this again then')
    },
    onProgress: bar.show,
  })
  const { collection, filled } = await rebuilt.finally(bar.end)
  console.log(`${target.name}: ${filled} users in ${collection}, which is live now`)
  return 0
}
