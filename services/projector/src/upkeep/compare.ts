import type { Remedy } from '@cqrs/contracts'
import type { Comparison } from './comparison.ts'
import { type Difference, findDifferences, type Kind, kinds } from './differences.ts'

export type Compared = {
  users: number
  counts: Record<Kind, number>
  /** By how much each wrong sum is too low; empty if the sums are right. */
  sums: Record<string, number>
  published: number
  /** Orphaned users whom the brake keeps; nobody was deleted then. */
  held: number
}

/**
 * Compares a read model with the write side and, with `repair`, repairs it: through events that command-api publishes
 * again, and the sums directly. A user that is ahead is left alone: there the write side has lost something.
 *
 * A repair has a brake: if more users are orphaned than `mayDelete`, nobody is deleted. By default that is 10, or 1 %
 * of the users, for a write database that lost its users looks like one whose users were all deleted.
 * @param options.onPage called with the number of users so far, and awaited, after each page and each page of
 * differences
 */
export async function compareSides(
  comparison: Comparison,
  options: {
    repair: boolean
    mayDelete?: number | undefined
    onPage?: (seen: number) => Promise<void> | void
    onDifference?: (difference: Difference) => void
  },
): Promise<Compared> {
  const { write, read } = comparison
  const counts = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>
  const orphans: Difference[] = []
  let [users, published] = [0, 0]
  const republish = async (differences: Difference[]) => {
    for (let at = 0; options.repair && at < differences.length; at += 250) {
      const some = differences.slice(at, at + 250).flatMap(({ id, kind, readVersion }) => {
        const remedy = remedies[kind]
        return remedy ? [{ id, readVersion, remedy }] : []
      })
      if (some.length > 0) published += await write.republish(some)
    }
  }
  for await (const differences of findDifferences(comparison, (seen) => {
    users = seen
    return options.onPage?.(seen)
  })) {
    for (const difference of differences) {
      counts[difference.kind]++
      if (difference.kind === 'orphaned' && orphans.length < keptOrphans) orphans.push(difference)
      options.onDifference?.(difference)
    }
    await republish(differences.filter(({ kind }) => kind !== 'orphaned'))
    await options.onPage?.(users)
  }
  const isHeld = counts.orphaned > (options.mayDelete ?? Math.max(10, Math.floor(users / 100)))
  if (!isHeld) await republish(orphans)
  const sums = await read.wrongSums()
  if (options.repair) await sums.correct()
  return { users, counts, sums: sums.missing, published, held: isHeld ? counts.orphaned : 0 }
}

/** How many users differ, and one more if the sums do. */
export const differing = ({ counts, sums }: Compared): number =>
  Object.values(counts).reduce((sum, count) => sum + count, Object.keys(sums).length > 0 ? 1 : 0)

const remedies: Record<Kind, Remedy | undefined> = {
  missing: 'restate',
  stale: 'restate',
  differs: 'raise',
  buried: 'raise',
  orphaned: 'delete',
  ahead: undefined,
}

/** More are deleted by the next comparisons. */
const keptOrphans = 10_000
