import type { components } from './api-types.ts'

type Problem = components['schemas']['Problem']

/** Why the service refuses a request. A newer service can send a code that this type does not have. */
export type ProblemCode = Problem['code']

/** What is known about an answer that is no success. */
type Answer = {
  status: number
  headers: Headers
  body: string
  /** Whether an earlier attempt of the same call got no answer, so that it may have taken effect. */
  isRepeat: boolean
}

/**
 * A refusal of the service (RFC 9457). Decide on `code`; `message` is for people.
 *
 * Codes with status 503 leave open whether a command takes effect, as `NoAnswerError` does.
 */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly code: ProblemCode
  readonly status: number
  readonly detail: string | undefined
  /** Which parts of the request are invalid, by JSON Pointer such as `#/body/email`. */
  readonly errors: NonNullable<Problem['errors']>
  /** The id of the request: name it when you ask the operator for help. */
  readonly instance: string | undefined
  /** How long to wait before the next attempt. */
  readonly retryAfterSeconds: number | undefined
  readonly headers: Headers
  /** Whether an earlier attempt of the same call got no answer, so that the refusal may be due to its success. */
  readonly isRepeat: boolean

  constructor({ title, code, detail, errors = [], instance }: Problem, { status, headers, isRepeat }: Answer) {
    super(detail ?? title)
    this.code = code
    this.status = status
    this.detail = detail
    this.errors = errors
    this.instance = instance ?? headers.get('x-request-id') ?? undefined
    this.retryAfterSeconds = retryAfterSeconds(headers)
    this.headers = headers
    this.isRepeat = isRepeat
  }
}

/**
 * No answer arrived: the network failed, the connection was cut, or time ran out. A command may have taken effect.
 * `cause` is the error of `fetch`.
 */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

/** An answer that the service does not give, such as the page of a proxy. A command may have taken effect. */
export class UnexpectedAnswerError extends Error {
  override readonly name = 'UnexpectedAnswerError'
  readonly status: number
  readonly retryAfterSeconds: number | undefined
  readonly headers: Headers
  readonly body: string

  constructor({ status, headers, body }: Answer) {
    super(`unexpected answer with status ${status}`)
    this.status = status
    this.retryAfterSeconds = retryAfterSeconds(headers)
    this.headers = headers
    this.body = body
  }
}

/** The error of an answer that is no success. */
export function errorOf(answer: Answer): ProblemError | UnexpectedAnswerError {
  if (!answer.headers.get('content-type')?.startsWith('application/problem+json'))
    return new UnexpectedAnswerError(answer)
  try {
    const problem: Partial<Problem> = JSON.parse(answer.body)
    return problem.code ? new ProblemError(problem as Problem, answer) : new UnexpectedAnswerError(answer)
  } catch {
    return new UnexpectedAnswerError(answer)
  }
}

/** `Retry-After` in seconds, which may be given as a number or as an HTTP date; undefined without a valid one. */
export function retryAfterSeconds(headers: Headers): number | undefined {
  const value = headers.get('retry-after')?.trim() ?? ''
  if (/^\d+$/.test(value)) return Number(value)
  // The date is of the server's clock, and so is `Date`. A browser hides that header from pages of other origins.
  const now = Date.parse(headers.get('date') ?? '') || Date.now()
  const seconds = (Date.parse(value) - now) / 1_000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}
