import { median, ratios } from './statistics.ts'

/** One line of the table: what was measured in each round, beside what, and what it should reach. */
export type Result = {
  what: string
  unit: Unit
  ours: number[]
  /** Measured in the same rounds. */
  limit?: { what: string; values: number[] }
  /** Of the ratio to the limit where there is one, else of the value itself. */
  reach?: { atLeast: number } | { atMost: number }
  /** What a reader must know to judge it. */
  note?: string
}

export type Unit = '/s' | 'ms' | 'MiB' | ''

/** What is compared with `reach`: the median of the rounds' ratios, or of the values. */
export function outcome({ ours, limit }: Pick<Result, 'ours' | 'limit'>): number {
  return median(limit ? ratios(ours, limit.values) : ours)
}

/** Whether it reached what it should; undefined where nothing is asked of it. */
export function reached(result: Result): boolean | undefined {
  const { reach } = result
  if (!reach) return undefined
  const value = outcome(result)
  return 'atLeast' in reach ? value >= reach.atLeast : value <= reach.atMost
}
