import { errorOf, NoAnswerError, type ProblemError, UnexpectedAnswerError } from './errors.ts'

/** A request that can be sent more than once. */
export type Message = { url: string; method: string; headers: Headers; body: string | undefined }

/** How often and how long a call is repeated. */
export type Retries = {
  /** Attempts of a request, the first included. Default: 5. 1 switches repetition off. */
  attempts?: number
  /** Milliseconds after which no further attempt begins. An error is thrown at once if a wait would end later. */
  withinMs?: number
  /** Milliseconds after which an attempt counts as not answered. Default: 15,000, as long as the service takes. */
  attemptMs?: number
}

export type Sending = {
  fetch: typeof globalThis.fetch
  retries: Retries
  /** Whether a repetition has no effect besides that of the first attempt. */
  isRepeatable: boolean
  signal: AbortSignal | undefined
}

/**
 * Sends a request, and repeats it unchanged: after 429, which the service answers before it does anything, and where
 * that is safe after everything that leaves the outcome open: no answer, 502, 503, 504. Waits as long as `Retry-After`
 * says, otherwise longer each time, with jitter.
 * @returns the answer if it is a success, with its whole body
 * @throws ProblemError, UnexpectedAnswerError or NoAnswerError of the last attempt; the reason of `signal`
 */
export async function sendRepeatedly(message: Message, { fetch, retries, isRepeatable, signal }: Sending) {
  const { attempts = 5, withinMs = 30_000, attemptMs = 15_000 } = retries
  const deadline = performance.now() + withinMs
  let isRepeat = false
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    const answer = await send(message, { fetch, attemptMs, signal, isRepeat })
    if (answer instanceof Response) return answer
    const isRefused = 'status' in answer && answer.status === 429
    const isOpen = !('status' in answer) || openOutcomes.has(answer.status)
    const waitMs = pauseMs(attempt, 'status' in answer ? answer.retryAfterSeconds : undefined)
    const canRepeat = isRefused || (isOpen && isRepeatable)
    if (!canRepeat || attempt >= attempts || performance.now() + waitMs > deadline) throw answer
    isRepeat ||= isOpen
    await pause(waitMs, signal)
  }
}

const openOutcomes = new Set([502, 503, 504])

/** One attempt: a success with its body, or the error. @throws the reason of `signal` */
async function send(
  { url, ...message }: Message,
  { fetch, attemptMs, signal, isRepeat }: Pick<Sending, 'fetch' | 'signal'> & { attemptMs: number; isRepeat: boolean },
): Promise<Response | ProblemError | UnexpectedAnswerError | NoAnswerError> {
  const tooLate = AbortSignal.timeout(attemptMs)
  try {
    const init = {
      ...message,
      body: message.body ?? null,
      signal: signal ? AbortSignal.any([signal, tooLate]) : tooLate,
    }
    const response = await fetch(url, init)
    // Read here, because the connection can also be cut in the middle of a body.
    const body = await response.text()
    const { status, headers } = response
    const isExpected = status === 204 || headers.get('content-type')?.startsWith('application/json')
    if (!response.ok) return errorOf({ status, headers, body, isRepeat })
    if (!isExpected) return new UnexpectedAnswerError({ status, headers, body, isRepeat })
    return new Response(status === 204 ? null : body, { status, headers })
  } catch (cause) {
    signal?.throwIfAborted()
    return new NoAnswerError(`no answer to ${message.method} ${url.split('?', 1)[0]}`, { cause })
  }
}

/** Never less than the server asks for. Clients that were refused together do not come back together. */
function pauseMs(attempt: number, retryAfterSeconds: number | undefined): number {
  const leastMs = retryAfterSeconds === undefined ? 100 * 2 ** attempt : retryAfterSeconds * 1_000
  return leastMs + Math.random() * Math.max(leastMs / 4, 100)
}

/** @throws the reason of `signal` */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout>
  const end = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  return unlessAborted(end, signal).finally(() => clearTimeout(timer))
}

/** The same promise, but rejected with the reason of `signal` once that aborts. */
export function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
