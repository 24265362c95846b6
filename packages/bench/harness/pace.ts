import { setTimeout as delay } from 'node:timers/promises'

/**
 * Starts an operation so many times a second, whether or not those before have ended, and waits for all of them. So a
 * system that falls behind makes operations wait, and cannot hide it by being asked less often.
 * @param operation told when it should have started (of `performance.now`): waiting counts from there
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
