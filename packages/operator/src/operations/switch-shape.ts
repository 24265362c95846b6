import { type ReadModelName, shapeName } from '@cqrs/contracts'
import type { Shapes } from '@cqrs/projector'
import type { ConsumerControl } from './consumer-control.ts'

/**
 * Has queries read another shape of a read model. The live one stands still for this moment, until the other one has
 * handled as much, so that no query goes back behind an earlier one.
 * @throws Error if the other shape is live already, is not filled, or does not catch up within 10 s; nothing is changed
 */
export async function switchShape(
  { shapes, consumers }: { shapes: Shapes; consumers: ConsumerControl },
  readModel: ReadModelName,
  to: number,
): Promise<void> {
  const name = shapeName(readModel, to)
  const live = await shapes.live(readModel)
  const other = (await shapes.of(readModel)).find(({ shape }) => shape === to)
  if (!live || !other) throw new Error(`${name} does not exist: run migrate of a release that knows it`)
  if (live.shape === to) throw new Error(`${name} is live already`)
  if (!other.filledAt) throw new Error(`${name} is not filled: npm run projector -- rebuild ${name}`)
  const before = shapeName(readModel, live.shape)
  const isSwitched = await consumers.whenLevel(name, before, 10_000, () =>
    shapes.switch(readModel, { from: live.shape, to }),
  )
  if (!isSwitched)
    throw new Error(`${name} is behind ${before}; switch when it has caught up (npm run projector -- shape list)`)
}
