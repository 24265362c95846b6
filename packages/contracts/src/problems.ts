import Type, { type Static } from 'typebox'

/**
 * Every way in which a request can be refused: the stable `code`, its HTTP status, and what it means in general.
 * Clients decide on `code`; the rest is for people. 5xx problems never show a message from inside.
 */
export const problems = {
  'malformed-request': [400, 'The request is not well-formed HTTP.'],
  'malformed-json': [400, 'The body is not JSON.'],
  'validation-failed': [400, 'A part of the request has the wrong form; `errors` says which.'],
  'password-too-common': [400, 'This password would be tried first by whoever guesses; choose another one.'],
  'token-missing': [401, 'This needs a Bearer token.'],
  'token-invalid': [401, 'The token is not one that this service accepts.'],
  'token-expired': [401, 'The token has expired; log in again.'],
  'token-revoked': [401, 'The token was revoked; log in again.'],
  'refresh-token-invalid': [401, 'The refresh token is not good any more; log in again.'],
  'invalid-credentials': [401, 'The e-mail address or the password is wrong.'],
  'not-allowed': [403, 'The token does not allow this.'],
  'wrong-password': [403, 'The current password is wrong.'],
  'role-not-allowed': [403, 'Only an admin can grant the role admin, and not to itself.'],
  'route-not-found': [404, 'There is nothing at this path.'],
  'user-not-found': [404, 'There is no such user.'],
  'method-not-allowed': [405, 'This path does not take this method; `Allow` lists those it takes.'],
  'request-timeout': [408, 'The request took too long to arrive.'],
  'email-taken': [409, 'A user with this e-mail address exists.'],
  'version-conflict': [409, 'The user kept changing meanwhile; try again.'],
  'precondition-failed': [412, 'The user is not in a version that `If-Match` names.'],
  'body-too-large': [413, 'The body is larger than this service takes.'],
  'unsupported-media-type': [415, 'Bodies are application/json.'],
  'idempotency-key-reused': [422, 'This `Idempotency-Key` came with another request before.'],
  'rate-limited': [429, 'Too many of these requests from this address; try again after `Retry-After` seconds.'],
  'headers-too-large': [431, 'The headers are larger than this service takes.'],
  internal: [500, 'Something went wrong here.'],
  overloaded: [503, 'Too much to do at the moment; try again after `Retry-After` seconds.'],
  'storage-unavailable': [503, 'The database is away; try again after `Retry-After` seconds.'],
  'read-model-behind': [
    503,
    'The read model has not reached the version asked for yet; try again after `Retry-After` seconds.',
  ],
  'upstream-unavailable': [503, 'The service behind the gateway is away; try again after `Retry-After` seconds.'],
} as const satisfies Record<string, readonly [status: number, title: string]>

export type ProblemCode = keyof typeof problems

/** The body of every refusal: application/problem+json (RFC 9457) with two members of ours, `code` and `errors`. */
export const Problem = Type.Object({
  type: Type.String({ description: 'about:blank: `code` tells the kinds apart' }),
  title: Type.String({ examples: ['There is no such user.'] }),
  status: Type.Integer({ examples: [404] }),
  code: Type.Enum(Object.keys(problems) as ProblemCode[]),
  detail: Type.Optional(Type.String()),
  errors: Type.Optional(
    Type.Array(
      Type.Object({
        pointer: Type.String({ description: 'JSON Pointer into what was sent, as #/body/email' }),
        detail: Type.String(),
      }),
    ),
  ),
})
export type Problem = Static<typeof Problem>

/** The problem document of a code. */
export function problem(code: ProblemCode, more: Pick<Problem, 'detail' | 'errors'> = {}): Problem {
  const [status, title] = problems[code]
  return { type: 'about:blank', title, status, code, ...more }
}

/** How domain and commands say no. It is not a fault: it is answered as the problem of its code. */
export class Refusal extends Error {
  readonly code: ProblemCode
  readonly detail: string | undefined
  readonly errors: Problem['errors']
  readonly retryAfterSeconds: number | undefined
  constructor(
    code: ProblemCode,
    options: { detail?: string; errors?: Problem['errors']; retryAfterSeconds?: number } = {},
  ) {
    super(options.detail ?? problems[code][1])
    this.code = code
    this.detail = options.detail
    this.errors = options.errors
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}
