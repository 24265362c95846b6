import { type ReadModelName, readModelShapes } from '@cqrs/contracts'
import { Argument, Command, InvalidArgumentError } from 'commander'
import { ConsumerProgress } from '../consuming/consumer-progress.ts'
import { removeDurableConsumer } from '../consuming/durable-consumer.ts'
import { projections } from '../projections/index.ts'
import { conditionOf, Shapes } from '../read-store/shapes.ts'
import { switchShape } from '../upkeep/switch-shape.ts'
import type { CliContext, Run } from './context.ts'

type Shape = { name: string; readModel: ReadModelName; number: number }

/** `shape`: lists the shapes of read models, switches queries to another one and back, and drops one. */
export function shapeCommand(run: Run): Command {
  const shape = new Command('shape').description('shapes of read models')
  const named = (name: string, description: string) =>
    shape.command(name).description(description).argument('<shape>', 'its name, as in `shape list`', shapeOf)
  shape.command('list').description('list the shapes of every read model').action(run(list))
  named('switch', 'have queries read this shape, which was filled before').action(
    run((context, { readModel, number }) => switchTo(context, readModel, () => number)),
  )
  shape
    .command('rollback')
    .description('have queries read the shape that was live before')
    .addArgument(new Argument('<read-model>', 'its name').choices(Object.keys(readModelShapes)))
    .action(run((context, readModel) => switchTo(context, readModel, (before) => before)))
  named('drop', 'let go of a shape that is not live').action(run(drop))
  return shape
}

async function switchTo(
  { db, nats, print }: CliContext,
  readModel: ReadModelName,
  choose: (before: number | undefined) => number | undefined,
): Promise<undefined> {
  const [shapes, progress] = [new Shapes(db), new ConsumerProgress(nats)]
  const live = await shapes.live(readModel)
  const to = choose(live?.before)
  if (to === undefined) throw new Error(`${readModel} was never switched`)
  const from = performance.now()
  await switchShape({ shapes, progress }, readModel, to)
  const ms = Math.round(performance.now() - from)
  const text = `${readModel}: queries read shape ${to}; before, ${live?.shape} (switched in ${ms} ms)`
  print({ readModel, shape: to, before: live?.shape, ms }, text)
}

async function drop({ db, nats, print }: CliContext, { name, readModel, number }: Shape): Promise<undefined> {
  const shapes = new Shapes(db)
  const live = await shapes.live(readModel)
  if (live?.shape === number) throw new Error(`${name} is live: switch to another shape before`)
  await shapes.drop(name)
  // Of a shape that this release writes, the projector would put it back.
  const connection = nats.connection()
  if (!isWritten(name) && connection) await removeDurableConsumer(connection, name)
  print({ dropped: name }, `${name}: dropped; its collections go within some minutes`)
}

async function list({ db, nats, print }: CliContext): Promise<undefined> {
  const [shapes, progress] = [new Shapes(db), new ConsumerProgress(nats)]
  for (const readModel of Object.keys(readModelShapes) as ReadModelName[]) {
    const live = (await shapes.live(readModel))?.shape
    for (const { shape, ...state } of await shapes.of(readModel)) {
      const { _id: name, live: collection } = state
      const documents = await db.collection(collection).estimatedDocumentCount()
      const lag = await progress.lag(name).catch(() => undefined)
      const condition = shape === live ? 'live' : conditionOf(state)
      const holds = `${documents} documents in ${collection}, ${lag ?? 'nobody handles its'} events to handle`
      const text = [name, condition, holds, ...(isWritten(name) ? [] : ['not filled by this release'])].join('  ')
      print({ name, condition, collection, documents, lag, isWritten: isWritten(name) }, text)
    }
  }
}

/** Whether this release writes it. */
const isWritten = (name: string): boolean => projections.some((projection) => projection.name === name)

function shapeOf(text: string): Shape {
  const [, readModel = '', number] = text.match(/^(\w+)_v([1-9]\d{0,3})$/) ?? []
  if (!Object.hasOwn(readModelShapes, readModel))
    throw new InvalidArgumentError(`It must be the name of a shape, such as ${projections[0]?.name}.`)
  return { name: text, readModel: readModel as ReadModelName, number: Number(number) }
}
