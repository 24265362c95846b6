import { type ReadModelName, readModelShapes } from '@cqrs/contracts'
import { ConsumerProgress } from '../consuming/consumer-progress.ts'
import { removeDurableConsumer } from '../consuming/durable-consumer.ts'
import { projections } from '../projections/index.ts'
import { conditionOf, Shapes } from '../read-store/shapes.ts'
import { switchShape } from '../upkeep/switch-shape.ts'
import type { CliContext } from './context.ts'

/** Lists the shapes of read models, switches queries to another one and back, and drops one. @returns the exit code */
export async function shape([action, name = '', ...more]: string[], context: CliContext): Promise<number> {
  const { db, nats, fail } = context
  if (action === 'list' && name === '') return await list(context)
  const [, readModel = '', number] = name.match(action === 'rollback' ? /^(\w+)$/ : /^(\w+)_v([1-9]\d{0,3})$/) ?? []
  if (!isReadModel(readModel) || more.length > 0) return fail()
  const [shapes, progress] = [new Shapes(db), new ConsumerProgress(nats)]
  const live = await shapes.live(readModel)
  if (action === 'drop') {
    if (live?.shape === Number(number)) throw new Error(`${name} is live: switch to another shape before`)
    await shapes.drop(name)
    // Of a shape that this release writes, the projector would put it back.
    const connection = nats.connection()
    if (!isWritten(name) && connection) await removeDurableConsumer(connection, name)
    console.log(`${name}: dropped; its collections go within some minutes`)
  } else if (action === 'switch' || action === 'rollback') {
    const to = action === 'switch' ? Number(number) : live?.before
    if (to === undefined) throw new Error(`${readModel} was never switched`)
    const from = performance.now()
    await switchShape({ shapes, progress }, readModel, to)
    const ms = Math.round(performance.now() - from)
    console.log(`${readModel}: queries read shape ${to}; before, ${live?.shape} (switched in ${ms} ms)`)
  } else return fail()
  return 0
}

async function list({ db, nats }: CliContext): Promise<number> {
  const [shapes, progress] = [new Shapes(db), new ConsumerProgress(nats)]
  for (const readModel of Object.keys(readModelShapes) as ReadModelName[]) {
    const live = (await shapes.live(readModel))?.shape
    for (const { shape, ...state } of await shapes.of(readModel)) {
      const { _id: name, live: collection } = state
      const users = await db.collection(collection).estimatedDocumentCount()
      const lag = await progress.lag(name).catch(() => 'nobody handles its')
      const condition = shape === live ? 'live' : conditionOf(state)
      const holds = `${users} documents in ${collection}, ${lag} events to handle`
      console.log([name, condition, holds, ...(isWritten(name) ? [] : ['not filled by this release'])].join('  '))
    }
  }
  return 0
}

/** Whether this release writes it. */
const isWritten = (name: string): boolean => projections.some((projection) => projection.name === name)

const isReadModel = (name: string): name is ReadModelName => Object.hasOwn(readModelShapes, name)
