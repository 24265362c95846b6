import { type ReadModelName, readModelShapes } from '@cqrs/contracts'
import {
  ConsumerProgress,
  conditionOf,
  FollowedDatabase,
  projections,
  ReadModel,
  removeDurableConsumer,
  Shapes,
  WriteSide,
} from '@cqrs/projector'
import { ConsumerControl } from './consumer-control.ts'
import type { Context } from './context.ts'
import { rebuildReadModel } from './rebuild-read-model.ts'
import { RebuildRecord } from './rebuild-record.ts'
import { switchShape } from './switch-shape.ts'

/** A shape of a read model, such as `users_read_v1`. */
export type Shape = { name: string; readModel: ReadModelName; number: number }

export type ShapeStatus = {
  shape: string
  readModel: ReadModelName
  condition: 'live' | 'filled' | 'not filled' | 'dropped'
  collection: string
  documents: number
  /** Events to handle; undefined if nobody handles them. */
  lag: number | undefined
  /** Whether this release writes it. */
  isWritten: boolean
  rebuild?: { filled: number; total: number | undefined }
}

/** The names of the shapes that this release fills. */
export const writtenShapes: readonly string[] = projections.map(({ name }) => name)

/** @returns undefined for a name that no shape can have */
export function shapeNamed(name: string): Shape | undefined {
  const [, readModel = '', number] = name.match(/^(\w+)_v([1-9]\d{0,3})$/) ?? []
  if (!Object.hasOwn(readModelShapes, readModel)) return undefined
  return { name, readModel: readModel as ReadModelName, number: Number(number) }
}

/** Every shape of every read model, also those that this release does not know. */
export async function listShapes({ db, nats }: Pick<Context, 'db' | 'nats'>): Promise<ShapeStatus[]> {
  const [shapes, progress] = [new Shapes(db), new ConsumerProgress(nats)]
  const ofReadModel = async (readModel: ReadModelName) => {
    const live = (await shapes.live(readModel))?.shape
    return (await shapes.of(readModel)).map(async ({ shape, rebuild, ...state }): Promise<ShapeStatus> => {
      const { _id: name, live: collection } = state
      return {
        shape: name,
        readModel,
        condition: shape === live ? 'live' : conditionOf(state),
        collection,
        documents: await db.collection(collection).estimatedDocumentCount(),
        lag: await progress.lag(name).catch(() => undefined),
        isWritten: writtenShapes.includes(name),
        ...(rebuild && { rebuild: { filled: rebuild.filled, total: rebuild.total } }),
      }
    })
  }
  const all = await Promise.all((Object.keys(readModelShapes) as ReadModelName[]).map(ofReadModel))
  return Promise.all(all.flat())
}

/** Has queries read another shape. @returns the number of the shape before, and how long queries waited */
export function switchTo({ db, nats, actions }: Context, readModel: ReadModelName, shape: number) {
  return actions.record('switch-shape', { readModel, shape }, async () => {
    const [shapes, consumers] = [new Shapes(db), new ConsumerControl(nats)]
    const before = (await shapes.live(readModel))?.shape
    const from = performance.now()
    await switchShape({ shapes, consumers }, readModel, shape)
    return { readModel, shape, before, ms: Math.round(performance.now() - from) }
  })
}

/** Has queries read the shape that was live before. @throws Error if there was none */
export async function rollBack(context: Context, readModel: ReadModelName) {
  const before = (await new Shapes(context.db).live(readModel))?.before
  if (before === undefined) throw new Error(`${readModel} was never switched`)
  return switchTo(context, readModel, before)
}

/** Lets go of a shape that is not live. Its collections go within some minutes. */
export function dropShape({ db, nats, actions }: Context, { name, readModel, number }: Shape) {
  return actions.record('drop-shape', { shape: name }, async () => {
    const shapes = new Shapes(db)
    const live = await shapes.live(readModel)
    if (live?.shape === number) throw new Error(`${name} is live: switch to another shape before`)
    await shapes.drop(name)
    // Of a shape that this release writes, the projector would put it back.
    const connection = nats.connection()
    if (!writtenShapes.includes(name) && connection) await removeDurableConsumer(connection, name)
    return { dropped: name }
  })
}

/**
 * Fills a new collection of a shape and makes it live, or resumes a rebuild that was interrupted.
 * @param onProgress called after each page of users
 */
export function rebuildShape(
  { db, nats, actions }: Context,
  shape: string,
  onProgress: (filled: number, total: number) => void = () => {},
): Promise<{ collection: string; filled: number }> {
  const projection = projectionOf(shape)
  const consumers = new ConsumerControl(nats)
  return actions.record('rebuild', { shape }, () =>
    rebuildReadModel(new ReadModel(db, projection), {
      record: new RebuildRecord(db, projection),
      writeSide: new WriteSide(nats, new FollowedDatabase(db)),
      earlierBatchesDone: async (consumer) => {
        if (!(await consumers.earlierBatchesDone(consumer, 60_000)))
          throw new Error('the projector holds messages that it cannot handle (see its /readyz); run this again later')
      },
      onProgress,
    }),
  )
}

/** Gives up a rebuild. @returns its collection, which is dropped later; undefined if there was none */
export function abandonRebuild({ db, actions }: Context, shape: string): Promise<string | undefined> {
  return actions.record('abandon-rebuild', { shape }, () => new RebuildRecord(db, projectionOf(shape)).abandon())
}

function projectionOf(shape: string) {
  const projection = projections.find(({ name }) => name === shape)
  if (!projection) throw new Error(`this release does not fill ${shape}`)
  return projection
}
