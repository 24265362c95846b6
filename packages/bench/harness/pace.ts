import { setTimeout as delay } from 'node:timers/promises'

/**
 * Starts an operation `perSecond` times a second, whether or not earlier ones have ended, and waits for all of them. A
 * system that falls behind thus makes operations wait, and cannot hide it by receiving fewer of them.
 * @param operation gets its due time (of `performance.now`), from which waiting counts
 */
export async function atPace(
  { perSecond, seconds }: { perSecond: number; seconds: number },
  operation: (dueAt: number) => Promise<void>,
): Promise<void> {
  const startedAt = performance.now()
  const running: Promise<void>[] = []
  for (let n = 0; n < perSecond * seconds; n++) {
    const dueAt = startedAt + (n * 1_000) / perSecond
    const ahead = dueAt - performance.now()
    if (ahead > 0) await delay(ahead)
    running.push(operation(dueAt))
  }
  await Promise.all(running)
}
