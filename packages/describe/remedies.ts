import type { ProblemCode } from '@cqrs/contracts'

/** When each problem occurs, and what a client does about it: for the page of the reference where `type` leads. */
export const remedies: Record<ProblemCode, string> = {
  'malformed-request': 'The request breaks the rules of HTTP, for example in its header or path. Correct the client.',
  'malformed-json': 'The body cannot be parsed. Send JSON in UTF-8, and a body wherever one is described.',
  'validation-failed':
    '`errors` names every wrong part with a JSON Pointer, and says what it must be. Unknown fields are wrong as ' +
    'well. Correct them all, and send the request again.',
  'password-too-common':
    'The password is among the most common ones, or mostly the address, the name or the service. Ask for ' + 'another.',
  'token-missing': 'Send `Authorization: Bearer` with the `accessToken` of a login.',
  'token-invalid':
    'The token is not one of this service, was changed on its way, or its user was deleted or deactivated. Log ' +
    'in again.',
  'token-expired': 'Exchange the refresh token for new tokens, and repeat the request.',
  'token-revoked':
    'The user has logged out everywhere, changed the password, or was deactivated or deleted after the token ' +
    'was issued. Log in again.',
  'refresh-token-invalid': 'The session has ended, or the token was used before. Log in again.',
  'invalid-credentials':
    'No active user has this address and password; which of them is wrong is not told. After many failures the ' +
    'answer is 429 for a while.',
  'not-allowed': 'Only the user and administrators may do this, or only administrators.',
  'wrong-password': 'Ask for the current password again.',
  'role-not-allowed': 'Leave the role out, or let another administrator grant it.',
  'route-not-found': 'Correct the path: this page’s description has all of them.',
  'user-not-found':
    'The user was deleted, never existed, or the query does not know it yet. With the `Consistency-Token` of ' +
    'the command, a query waits for it.',
  'method-not-allowed': '`Allow` names the methods of this path.',
  'request-timeout': 'The request did not arrive completely in time. Send it again.',
  'email-taken':
    'Log in instead, or use another address. If a registration was repeated because its answer did not arrive, ' +
    'send the same `Idempotency-Key` with it, to get the first answer.',
  'last-admin': 'Without an administrator nobody could make another one. Make another user an administrator first.',
  'operation-refused': 'For operators: `detail` says why, and mostly which command to run first.',
  'version-conflict': 'Others changed the user several times while this request was handled. Send it again.',
  'precondition-failed':
    'Somebody else has changed the user since. Get it again, decide whether the change is still wanted, and ' +
    'send it with the new `ETag`.',
  'body-too-large': 'No request of this service needs so much. Correct the client.',
  'unsupported-media-type': 'Send `Content-Type: application/json`, and no `Content-Encoding`.',
  'idempotency-key-reused': 'A key belongs to one request with one body. Use a new key for a new request.',
  'rate-limited': 'Wait `Retry-After` seconds before the next request of this kind.',
  'headers-too-large': 'Send fewer or shorter headers; a cookie is not needed.',
  internal: 'A fault of the service. Ask for help with the `instance` of the answer.',
  overloaded: 'Wait `Retry-After` seconds, and repeat the request with a growing pause.',
  'outbox-full':
    'The events of this user cannot be published at the moment. Wait `Retry-After` seconds, and repeat the ' +
    'command.',
  'storage-unavailable':
    'Wait `Retry-After` seconds, and repeat the request: a command with the same `Idempotency-Key` or refresh ' +
    'token, since it may have taken effect.',
  'read-model-behind':
    'The read model did not reach the `Consistency-Token` or `X-Min-Version` in time. Wait `Retry-After` ' +
    'seconds, and repeat the query; without them it is answered from an older state.',
  'upstream-unavailable':
    'The gateway does not reach the service. Wait `Retry-After` seconds, and repeat the request as after ' +
    '`storage-unavailable`.',
}
