import { type ReadModelName, readModelShapes } from '@cqrs/contracts'
import { Argument, Command, InvalidArgumentError } from 'commander'
import {
  dropShape,
  listShapes,
  rollBack,
  type Shape,
  shapeNamed,
  switchTo,
  writtenShapes,
} from '../operations/read-models.ts'
import type { CliContext, Run } from './run.ts'

/** `shape`: lists the shapes of read models, switches queries to another one and back, and drops one. */
export function shapeCommand(run: Run): Command {
  const shape = new Command('shape').description('shapes of read models')
  const named = (name: string, description: string) =>
    shape.command(name).description(description).argument('<shape>', 'its name, as in `shape list`', shapeOf)
  shape.command('list').description('list the shapes of every read model').action(run(list))
  named('switch', 'have queries read this shape, which was filled before').action(
    run(async (context, { readModel, number }) => printSwitch(context, await switchTo(context, readModel, number))),
  )
  shape
    .command('rollback')
    .description('have queries read the shape that was live before')
    .addArgument(new Argument('<read-model>', 'its name').choices(Object.keys(readModelShapes)))
    .action(run(async (context, name: ReadModelName) => printSwitch(context, await rollBack(context, name))))
  named('drop', 'let go of a shape that is not live').action(run(drop))
  return shape
}

function printSwitch({ print }: CliContext, switched: Awaited<ReturnType<typeof switchTo>>): undefined {
  const { readModel, shape, before, ms } = switched
  print(switched, `${readModel}: queries read shape ${shape}; before, ${before} (switched in ${ms} ms)`)
}

async function drop(context: CliContext, shape: Shape): Promise<undefined> {
  const text = `${shape.name}: dropped; its collections go within some minutes`
  context.print(await dropShape(context, shape), text)
}

async function list(context: CliContext): Promise<undefined> {
  for (const { shape: name, readModel: _, ...about } of await listShapes(context)) {
    const { condition, collection, documents, lag, isWritten } = about
    const holds = `${documents} documents in ${collection}, ${lag ?? 'nobody handles its'} events to handle`
    const text = [name, condition, holds, ...(isWritten ? [] : ['not filled by this release'])].join('  ')
    context.print({ name, ...about }, text)
  }
}

function shapeOf(text: string): Shape {
  const shape = shapeNamed(text)
  if (!shape) throw new InvalidArgumentError(`It must be the name of a shape, such as ${writtenShapes[0]}.`)
  return shape
}
