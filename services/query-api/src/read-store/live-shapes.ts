import { type LiveShape, type ReadModelName, readModelShapes, type ShapeState, shapeName } from '@cqrs/contracts'

/** A document of `read_models`: of a read model or of a shape. */
export type Known = Partial<Pick<LiveShape, 'shape'> & Pick<ShapeState, 'live'>> & {
  readModel: string
  isDropped: boolean
}

/** Which collections are live, as far as the documents that were read say. */
export class LiveShapes {
  readonly #shapes = new Map<string, number>()
  readonly #collections = new Map<string, string>()
  readonly #dropped = new Set<string>()

  learn({ readModel: name, shape, live, isDropped }: Known): void {
    if (shape) this.#shapes.set(name, shape)
    if (live) this.#collections.set(name, live)
    if (isDropped) this.#dropped.add(name)
  }

  /** The shape that queries read: the live one, or the highest that this release knows. */
  shapeOf(readModel: ReadModelName): number {
    const shapes: readonly number[] = readModelShapes[readModel]
    const live = this.#shapes.get(readModel) ?? 0
    return shapes.includes(live) ? live : Math.max(...shapes)
  }

  /** The collection that queries of a read model read. */
  collectionOf(readModel: ReadModelName): string {
    return this.#collectionIn(readModel, this.shapeOf(readModel))
  }

  /** The collections that some query-api reads: of the live shapes, and of older ones for those that know no other. */
  collections(): string[] {
    return (Object.keys(readModelShapes) as ReadModelName[]).flatMap((readModel) => {
      const live = this.#shapes.get(readModel) ?? this.shapeOf(readModel)
      const shapes: readonly number[] = readModelShapes[readModel]
      const older = shapes.filter((shape) => shape < live)
      return [live, ...older]
        .filter((shape) => !this.#dropped.has(shapeName(readModel, shape)))
        .map((shape) => this.#collectionIn(readModel, shape))
    })
  }

  #collectionIn(readModel: ReadModelName, shape: number): string {
    const name = shapeName(readModel, shape)
    return this.#collections.get(name) ?? name
  }
}
