import { median, ratios } from './statistics.ts'

/** One line of the table: the figure of each round, its limit, and its target. */
export type Result = {
  what: string
  unit: Unit
  ours: number[]
  /** Measured in the same rounds. */
  limit?: { what: string; values: number[] }
  /** The target of the ratio to the limit or, without a limit, of the value itself. */
  reach?: { atLeast: number } | { atMost: number }
  /** What a reader needs to know to judge the figure. */
  note?: string
}

export type Unit = '/s' | 'ms' | 'MiB' | ''

/** The figure that is compared with `reach`: the median of the rounds' ratios, or of the values. */
export function outcome({ ours, limit }: Pick<Result, 'ours' | 'limit'>): number {
  return median(limit ? ratios(ours, limit.values) : ours)
}

/** Whether the result reached its target; undefined without one. */
export function reached(result: Result): boolean | undefined {
  const { reach } = result
  if (!reach) return undefined
  const value = outcome(result)
  return 'atLeast' in reach ? value >= reach.atLeast : value <= reach.atMost
}
