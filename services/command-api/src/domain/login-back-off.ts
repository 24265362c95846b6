/** The failed logins of an account, from one source or device, or from all. */
export type FailedLogins = {
  failures: number
  waitsUntil?: Date
  /** For one source: the right password came from there. */
  knownUntil?: Date
}

export type BackOffRule = {
  /** So many failures have no effect. */
  free: number
  /** The waits after the next failures, the last one also after all later ones. */
  waitsMs: readonly number[]
}

export const backOffRules = {
  // 100 guesses take about a day (NIST SP 800-63B, 3.2.2, allows 100 in a row).
  bySource: { free: 5, waitsMs: doubling(1_000, 15 * 60_000) },
  // Guesses from many sources: 1,440 a day at most. A user on a known source or device is not affected.
  overall: { free: 50, waitsMs: doubling(1_000, 60_000) },
} satisfies Record<string, BackOffRule>

/** Failures are counted until there was none for an hour. */
export const failuresKeptMs = 3_600_000
/** A source is known for 30 days after a login. */
export const knownForMs = 30 * 24 * 3_600_000

/** Whether a login is rejected without a check of its password. */
export function isWaiting({ bySource, overall, isKnownDevice = false }: Failures, now: Date): boolean {
  if (isAfter(bySource?.waitsUntil, now)) return true
  return isAfter(overall?.waitsUntil, now) && !isKnownDevice && !isAfter(bySource?.knownUntil, now)
}

type Failures = {
  bySource?: FailedLogins | undefined
  overall?: FailedLogins | undefined
  /** `bySource` is of a device that has logged in before. */
  isKnownDevice?: boolean
}

export const isAfter = (date: Date | undefined, now: Date): boolean => date !== undefined && date > now

/** 1 s, 2 s, 4 s, … up to and with the longest. */
function doubling(firstMs: number, longestMs: number): number[] {
  return firstMs >= longestMs ? [longestMs] : [firstMs, ...doubling(firstMs * 2, longestMs)]
}
