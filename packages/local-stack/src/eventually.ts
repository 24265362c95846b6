import { setTimeout as delay } from 'node:timers/promises'

/**
 * Tries again until `attempt` neither throws nor answers `false`, and gives back what it answered.
 * Fails after `timeoutMs` with the last refusal as message and cause.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { timeoutMs = 5_000, intervalMs = 20 }: { timeoutMs?: number; intervalMs?: number } = {},
): Promise<Exclude<T, false>> {
  const deadline = performance.now() + timeoutMs
  let refusal: unknown = new Error('it was never tried')
  do {
    try {
      const answer = await within(deadline - performance.now(), attempt)
      if (answer !== false) return answer as Exclude<T, false>
      refusal = new Error('the condition is still false')
    } catch (error) {
      refusal = error
    }
    await delay(intervalMs)
  } while (performance.now() < deadline)
  const reason = refusal instanceof Error ? refusal.message : String(refusal)
  throw new Error(`gave up after ${timeoutMs} ms: ${reason}`, { cause: refusal })
}

// An attempt that never settles must not outlive the bound either.
async function within<T>(ms: number, attempt: () => T | Promise<T>): Promise<T> {
  const bound = new AbortController()
  const tooLate = delay(Math.max(ms, 0), undefined, { signal: bound.signal }).then(() => {
    throw new Error('the last try did not answer')
  })
  try {
    return await Promise.race([attempt(), tooLate])
  } finally {
    tooLate.catch(() => {})
    bound.abort()
  }
}
