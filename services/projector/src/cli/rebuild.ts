import { Argument, Command } from 'commander'
import { ConsumerProgress } from '../consuming/consumer-progress.ts'
import { projections } from '../projections/index.ts'
import type { Projection } from '../projections/projection.ts'
import { FollowedDatabase } from '../read-store/followed-database.ts'
import { ReadModel } from '../read-store/read-model.ts'
import { RebuildRecord } from '../read-store/rebuild-record.ts'
import { rebuildReadModel } from '../upkeep/rebuild-read-model.ts'
import { WriteSide } from '../upkeep/write-side.ts'
import type { CliContext, Run } from './context.ts'
import { progressBar } from './progress-bar.ts'

/** `rebuild`: rebuilds a shape of a read model, or resumes or abandons an interrupted rebuild. */
export const rebuildCommand = (run: Run): Command =>
  new Command('rebuild')
    .description('fill a new collection of a shape and switch to it')
    .addArgument(new Argument('<shape>', 'its name').choices(projections.map(({ name }) => name)))
    .option('--abandon', 'give up a rebuild; its collection is dropped later')
    .action(
      run((context, name: string, { abandon: isAbandoned }: { abandon?: boolean }) => {
        const projection = projections.find((projection) => projection.name === name) as Projection
        return isAbandoned ? abandon(context, projection) : rebuild(context, projection)
      }),
    )

async function abandon({ db, print }: CliContext, projection: Projection): Promise<number> {
  const { name } = projection
  const abandoned = await new RebuildRecord(db, projection).abandon()
  const text = abandoned ? `abandoned ${abandoned}, which is dropped later` : 'nothing to abandon'
  print({ shape: name, abandoned }, `${name}: ${text}`)
  return abandoned ? 0 : 1
}

async function rebuild({ db, nats, print }: CliContext, projection: Projection): Promise<undefined> {
  const { name } = projection
  const progress = new ConsumerProgress(nats)
  const bar = progressBar(name, process.stderr)
  const rebuilt = rebuildReadModel(new ReadModel(db, projection), {
    record: new RebuildRecord(db, projection),
    writeSide: new WriteSide(nats, new FollowedDatabase(db)),
    earlierBatchesDone: async (consumer) => {
      if (!(await progress.earlierBatchesDone(consumer, 60_000)))
        throw new Error('the projector holds messages that it cannot handle (see its /readyz); run this again later')
    },
    onProgress: bar.show,
  })
  const { collection, filled } = await rebuilt.finally(bar.end)
  print({ shape: name, collection, filled }, `${name}: ${filled} users in ${collection}, which is live now`)
}
