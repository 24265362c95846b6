/** What one run of a contender gave. Times are in milliseconds. */
export type Sample = { perSecond: number; p50: number; p99: number; failed: number }

/** The value below which this part (0 to 1) of all lies, by the nearest rank. NaN where there is none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(Math.ceil(part * sorted.length) - 1, 0)] ?? Number.NaN
}

/** The middle one; of an even number the mean of the middle two. NaN where there is none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length / 2
  const middle = sorted.slice(Math.ceil(half) - 1, Math.floor(half) + 1)
  return middle.reduce((sum, value) => sum + value, 0) / middle.length
}

/** The ratio of each round, in which both were measured one right after the other: drift of the machine cancels out. */
export const ratios = (ours: readonly number[], limit: readonly number[]): number[] =>
  ours.map((value, round) => value / (limit[round] ?? Number.NaN))

/** A sample of operations that took these times, in milliseconds, over this many seconds. */
export const sampleOf = (times: readonly number[], seconds: number, failed = 0): Sample => ({
  perSecond: times.length / seconds,
  p50: quantile(times, 0.5),
  p99: quantile(times, 0.99),
  failed,
})

export const perSecond = (samples: readonly Sample[]): number[] => samples.map((sample) => sample.perSecond)
