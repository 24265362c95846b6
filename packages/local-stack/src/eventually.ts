import { setTimeout as delay } from 'node:timers/promises'

/**
 * Retries until `attempt` neither throws nor returns `false`, and resolves to what it returned. The default bound is
 * far above what a busy machine needs. Without an interval, the pauses grow with the wait, from 10 to 100 ms: what is
 * awaited gets the processor, and a wait becomes 5 % longer at most.
 * @throws after `timeoutMs`, with the last failure as message and cause
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { timeoutMs = 60_000, intervalMs }: { timeoutMs?: number; intervalMs?: number } = {},
): Promise<Exclude<T, false>> {
  const startedAt = performance.now()
  const deadline = startedAt + timeoutMs
  let failure: unknown = new Error('no attempt was made')
  do {
    try {
      const result = await within(deadline - performance.now(), attempt)
      if (result !== false) return result as Exclude<T, false>
      failure = new Error('the condition is still false')
    } catch (error) {
      failure = error
    }
    await delay(intervalMs ?? Math.min(Math.max((performance.now() - startedAt) / 20, 10), 100))
  } while (performance.now() < deadline)
  const reason = failure instanceof Error ? failure.message : String(failure)
  throw new Error(`gave up after ${timeoutMs} ms: ${reason}`, { cause: failure })
}

// An attempt that never settles must not exceed the timeout.
async function within<T>(ms: number, attempt: () => T | Promise<T>): Promise<T> {
  const bound = new AbortController()
  const tooLate = delay(Math.max(ms, 0), undefined, { signal: bound.signal }).then(() => {
    throw new Error('the last attempt did not settle')
  })
  try {
    return await Promise.race([attempt(), tooLate])
  } finally {
    tooLate.catch(() => {})
    bound.abort()
  }
}
