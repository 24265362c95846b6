/** The result of one run of a contender. Times are in milliseconds. */
export type Sample = { perSecond: number; p50: number; p99: number; failed: number }

/** The quantile (0 to 1) by the nearest rank; NaN without values. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(Math.ceil(part * sorted.length) - 1, 0)] ?? Number.NaN
}

/** The middle value; of an even number the mean of the two in the middle; NaN without values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  const middle = sorted.slice(Math.ceil(half) - 1, Math.floor(half) + 1)
  return middle.reduce((sum, value) => sum + value, 0) / middle.length
}

/** The ratio of each round. Both are measured in direct succession, so that drift of the machine cancels out. */
export const ratios = (ours: readonly number[], limit: readonly number[]): number[] =>
  ours.map((value, round) => value / (limit[round] ?? Number.NaN))

/** A sample of operations with these durations in milliseconds, over this many seconds. */
export const sampleOf = (times: readonly number[], seconds: number, failed = 0): Sample => ({
  perSecond: times.length / seconds,
  p50: quantile(times, 0.5),
  p99: quantile(times, 0.99),
  failed,
})

export const perSecond = (samples: readonly Sample[]): number[] => samples.map((sample) => sample.perSecond)
