import { Argument, Command } from 'commander'
import { abandonRebuild, rebuildShape, writtenShapes } from '../operations/read-models.ts'
import { progressBar } from './progress-bar.ts'
import type { CliContext, Run } from './run.ts'

/** `rebuild`: rebuilds a shape of a read model, or resumes or abandons an interrupted rebuild. */
export const rebuildCommand = (run: Run): Command =>
  new Command('rebuild')
    .description('fill a new collection of a shape and switch to it')
    .addArgument(new Argument('<shape>', 'its name').choices(writtenShapes))
    .option('--abandon', 'give up a rebuild; its collection is dropped later')
    .action(
      run((context, shape: string, { abandon: isAbandoned }: { abandon?: boolean }) =>
        isAbandoned ? abandon(context, shape) : rebuild(context, shape),
      ),
    )

async function abandon(context: CliContext, shape: string): Promise<number> {
  const abandoned = await abandonRebuild(context, shape)
  const text = abandoned ? `abandoned ${abandoned}, which is dropped later` : 'nothing to abandon'
  context.print({ shape, abandoned }, `${shape}: ${text}`)
  return abandoned ? 0 : 1
}

async function rebuild(context: CliContext, shape: string): Promise<undefined> {
  const bar = progressBar(shape, process.stderr)
  const { collection, filled } = await rebuildShape(context, shape, bar.show).finally(bar.end)
  context.print({ shape, collection, filled }, `${shape}: ${filled} users in ${collection}, which is live now`)
}
