import {
  type Compared,
  compareSides,
  comparisonOf,
  differing,
  FollowedDatabase,
  projections,
  ReadModel,
  WriteSide,
} from '@cqrs/projector'
import type { Context } from './context.ts'

/** What a comparison says, in this order for each shape. */
export type Finding = { shape: string } & (
  | { id: string; kind: string; readVersion: number; writeVersion: number }
  | { sum: string; by: number }
  | { users: number; differing: number }
  /** So many deletions are more than a repair does by itself. */
  | { held: number }
  /** So many events repair what differs. */
  | { published: number }
  /** So many differ after the repair. */
  | { left: number }
  | { condition: 'not filled' }
  | { error: string }
)

export type Comparing = {
  /** Repairs what differs, through events. */
  repair: boolean
  /** How many users whom the write side does not know may be deleted; default: 10, or 1 %. */
  mayDelete?: number | undefined
}

/**
 * Compares every read model with the write side. If one cannot be compared, the others still are.
 * @returns whether nothing differs
 */
export async function compareAll(
  context: Context,
  options: Comparing,
  report: (finding: Finding) => void,
): Promise<boolean> {
  const compare = () => compareEach(context, options, report)
  return options.repair ? context.actions.record('repair', { mayDelete: options.mayDelete }, compare) : compare()
}

async function compareEach({ db, nats }: Context, options: Comparing, report: (finding: Finding) => void) {
  const write = new WriteSide(nats, new FollowedDatabase(db))
  let isWhole = true
  for (const projection of projections) {
    const { name: shape } = projection
    const comparison = comparisonOf(new ReadModel(db, projection), write, nats)
    try {
      const condition = await comparison.read.condition()
      if (condition === 'not filled') report({ shape, condition })
      if (condition !== 'filled') continue
      const compared = await compareSides(comparison, {
        ...options,
        onDifference: ({ id, kind, readVersion, writeVersion }) =>
          report({ shape, id, kind, readVersion, writeVersion }),
      })
      let left = differing(compared)
      reportSums(shape, compared, report)
      if (left > 0 && options.repair) {
        report({ shape, published: compared.published })
        await comparison.settled()
        left = differing(await compareSides(comparison, { repair: false }))
        report({ shape, left })
      }
      isWhole &&= left === 0
    } catch (error) {
      report({ shape, error: (error as Error).message })
      isWhole = false
    }
  }
  return isWhole
}

function reportSums(shape: string, compared: Compared, report: (finding: Finding) => void): void {
  const { users, sums, held } = compared
  for (const [sum, by] of Object.entries(sums)) report({ shape, sum, by })
  report({ shape, users, differing: differing(compared) })
  if (held > 0) report({ shape, held })
}

/** Makes the read models follow another write database. @returns the one before */
export function follow({ db, actions }: Context, writeDatabase: string): Promise<string | undefined> {
  return actions.record('follow', { writeDatabase }, async () => {
    const followed = new FollowedDatabase(db)
    const before = await followed.current()
    await followed.follow(writeDatabase)
    return before
  })
}
