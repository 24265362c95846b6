import { setTimeout as delay } from 'node:timers/promises'

/** Waits until the time is over or the signal aborts: for loops that retry. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal }).catch(() => undefined)
