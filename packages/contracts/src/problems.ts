import Type, { type Static } from 'typebox'

/**
 * Every reason to refuse a request: its stable `code`, its HTTP status and its title. Clients decide on `code`; the
 * title is for people. A 5xx problem never shows an internal message.
 */
export const problems = {
  'malformed-request': [400, 'The request is not valid HTTP.'],
  'malformed-json': [400, 'The body is not valid JSON in UTF-8.'],
  'validation-failed': [400, 'The request is invalid; `errors` lists what is wrong.'],
  'password-too-common': [400, 'This password is too common; choose another.'],
  'token-missing': [401, 'A Bearer token is required.'],
  'token-invalid': [401, 'The access token is invalid.'],
  'token-expired': [401, 'The access token has expired; refresh the session or log in again.'],
  'token-revoked': [401, 'The access token was revoked; log in again.'],
  'refresh-token-invalid': [401, 'The refresh token is invalid or expired; log in again.'],
  'invalid-credentials': [401, 'The e-mail address or the password is wrong.'],
  'not-allowed': [403, 'You are not allowed to do this.'],
  'wrong-password': [403, 'The current password is wrong.'],
  'role-not-allowed': [403, 'The role `admin` can be granted only by another admin.'],
  'route-not-found': [404, 'No resource exists at this path.'],
  'user-not-found': [404, 'The user does not exist.'],
  'method-not-allowed': [405, 'This path does not support this method; see `Allow`.'],
  'request-timeout': [408, 'The request took too long to arrive.'],
  'email-taken': [409, 'A user with this e-mail address already exists.'],
  'last-admin': [409, 'This is the last active admin; make another user an admin first.'],
  'operation-refused': [409, 'The operation is not possible now; `detail` says why.'],
  'version-conflict': [409, 'The user was changed by other requests; try again.'],
  'precondition-failed': [412, 'The current version of the user does not fulfil `If-Match` or `If-None-Match`.'],
  'body-too-large': [413, 'The body is too large.'],
  'unsupported-media-type': [415, 'The body must be application/json in UTF-8, not compressed.'],
  'idempotency-key-reused': [422, 'This `Idempotency-Key` was used for a different request.'],
  'rate-limited': [429, 'Too many requests of this client; try again after `Retry-After` seconds.'],
  'headers-too-large': [431, 'The headers are too large.'],
  internal: [500, 'An internal error occurred.'],
  overloaded: [503, 'The service is overloaded; try again after `Retry-After` seconds.'],
  'outbox-full': [503, 'This user has too many unpublished changes; try again after `Retry-After` seconds.'],
  // For a command the outcome is unknown: a write that no majority has confirmed in time can still take effect.
  'storage-unavailable': [
    503,
    'The database is unavailable, and a command may still take effect; try again after `Retry-After` seconds.',
  ],
  'read-model-behind': [503, 'The read model is behind the requested version; try again after `Retry-After` seconds.'],
  'upstream-unavailable': [503, 'The service is unavailable; try again after `Retry-After` seconds.'],
} as const satisfies Record<string, readonly [status: number, title: string]>

export type ProblemCode = keyof typeof problems

/** The body of every refusal: application/problem+json (RFC 9457) with two extension members, `code` and `errors`. */
export const Problem = Type.Object({
  type: Type.String({
    description: 'Where the API reference explains the `code`, below the address of the gateway',
    examples: ['/docs/problems.html#user-not-found'],
  }),
  title: Type.String({ examples: ['The user does not exist.'] }),
  status: Type.Integer({ examples: [404] }),
  code: Type.Enum(Object.keys(problems) as ProblemCode[]),
  detail: Type.Optional(Type.String()),
  instance: Type.Optional(
    Type.String({
      description: 'The id of the request, as in the header `X-Request-Id`: name it when you ask for help',
      examples: ['4bf92f3577b34da6a3ce929d0e0e4736'],
    }),
  ),
  errors: Type.Optional(
    Type.Array(
      Type.Object({
        pointer: Type.String({ description: 'JSON Pointer to the part of the request, such as #/body/email' }),
        detail: Type.String(),
      }),
    ),
  ),
})
export type Problem = Static<typeof Problem>

/** The problem document of this code. */
export function problem(code: ProblemCode, more: Pick<Problem, 'detail' | 'errors'> = {}): Problem {
  const [status, title] = problems[code]
  return { type: `/docs/problems.html#${code}`, title, status, code, ...more }
}

/** An expected refusal, thrown by the domain and by handlers, and answered as the problem of its code. */
export class Refusal extends Error {
  readonly code: ProblemCode
  readonly detail: string | undefined
  readonly errors: Problem['errors']
  readonly retryAfterSeconds: number | undefined
  /** The user that was not found, if it is known to be deleted: queries should not show it either. */
  readonly deleted: { id: string; version: number } | undefined
  constructor(
    code: ProblemCode,
    options: Partial<Pick<Problem, 'detail' | 'errors'>> & {
      retryAfterSeconds?: number
      deleted?: { id: string; version: number } | undefined
    } = {},
  ) {
    super(options.detail ?? problems[code][1])
    this.code = code
    this.detail = options.detail
    this.errors = options.errors
    this.retryAfterSeconds = options.retryAfterSeconds
    this.deleted = options.deleted
  }
}
