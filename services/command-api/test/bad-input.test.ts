import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type ProblemCode, problems } from '@cqrs/contracts'
import t, { type Test } from 'tap'
import { type Answer, startCommandApi } from './fixture.ts'

const { send, newUser, token, url, lines, replicaEnv } = await startCommandApi(t)
const { user, token: own } = await newUser()
const register = '/api/v1/auth/register'
const strangerId = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'
const self = `/api/v1/users/${user.id}`
const jane = { email: 'jane@example.com', password: 'password123', name: 'Jane', roles: ['buyer'] }
const update = { name: 'Jane', roles: ['buyer'] }
const signingKey = await readFile(replicaEnv.JWT_SIGNING_KEY_FILE ?? '', 'utf8')

const cases: [what: string, code: ProblemCode, method: string, path: string, body?: unknown, as?: string][] = [
  ['a body that is not JSON', 'malformed-json', 'POST', register, '{"email":'],
  ['no body', 'malformed-json', 'POST', register, ''],
  ['a body that is a list', 'validation-failed', 'POST', register, []],
  ['a body that is null', 'validation-failed', 'POST', register, 'null'],
  ['a body that poisons the prototype', 'malformed-json', 'POST', register, '{"__proto__":{"admin":true}}'],
  ['a body over the limit', 'body-too-large', 'POST', register, { ...jane, name: 'x'.repeat(20_000) }],
  ...Object.keys(jane).map((field): (typeof cases)[number] => [
    `no ${field}`,
    'validation-failed',
    'POST',
    register,
    { ...jane, [field]: undefined },
  ]),
  ...Object.keys(jane).map((field): (typeof cases)[number] => [
    `an operator as ${field}`,
    'validation-failed',
    'POST',
    register,
    { ...jane, [field]: { $ne: null } },
  ]),
  ['a number as password', 'validation-failed', 'POST', register, { ...jane, password: 12345678 }],
  ['a password of 7', 'validation-failed', 'POST', register, { ...jane, password: 'passwor' }],
  ['a password of 129', 'validation-failed', 'POST', register, { ...jane, password: 'x'.repeat(129) }],
  ['a string for roles', 'validation-failed', 'POST', register, { ...jane, roles: 'buyer' }],
  ['no role', 'validation-failed', 'POST', register, { ...jane, roles: [] }],
  ['a role twice', 'validation-failed', 'POST', register, { ...jane, roles: ['buyer', 'buyer'] }],
  ['an unknown role', 'validation-failed', 'POST', register, { ...jane, roles: ['king'] }],
  ['admin as a role', 'role-not-allowed', 'POST', register, { ...jane, roles: ['admin'] }],
  ['an unknown field', 'validation-failed', 'POST', register, { ...jane, isActive: true }],
  ['a chosen id', 'validation-failed', 'POST', register, { ...jane, _id: user.id }],
  ['an empty name', 'validation-failed', 'POST', register, { ...jane, name: '' }],
  ['a name of spaces', 'validation-failed', 'POST', register, { ...jane, name: '   ' }],
  ['a name of 101', 'validation-failed', 'POST', register, { ...jane, name: 'x'.repeat(101) }],
  ['a name with a NUL', 'validation-failed', 'POST', register, { ...jane, name: 'Jane\u0000' }],
  ...[
    'jane',
    'jane@',
    '@example.com',
    'jane@example',
    'a b@example.com',
    'jane@example.com\n',
    `${'x'.repeat(250)}@example.com`,
  ].map((email): (typeof cases)[number] => [
    `the address ${JSON.stringify(email).slice(0, 30)}`,
    'validation-failed',
    'POST',
    register,
    { ...jane, email },
  ]),
  ['a login without password', 'validation-failed', 'POST', '/api/v1/auth/login', { email: 'a@example.com' }],
  [
    'a login with an operator',
    'validation-failed',
    'POST',
    '/api/v1/auth/login',
    { email: { $gt: '' }, password: 'x' },
  ],
  ['an update without roles', 'validation-failed', 'PUT', self, { name: 'Jane' }, own],
  ['an update of the address', 'validation-failed', 'PUT', self, { ...update, email: 'x@example.com' }, own],
  ['a change of the password without the current one', 'validation-failed', 'POST', `${self}/password`, {}, own],
  ...['passwor', 'x'.repeat(129), 12345678, { $ne: null }].map((newPassword): (typeof cases)[number] => [
    `a new password like ${JSON.stringify(newPassword).slice(0, 20)}`,
    'validation-failed',
    'POST',
    `${self}/password`,
    { currentPassword: 'password123', newPassword },
    own,
  ]),
  ['deactivating a malformed id', 'validation-failed', 'POST', '/api/v1/users/1/deactivate', undefined, own],
  ['activating a malformed id', 'validation-failed', 'POST', '/api/v1/users/1/activate', undefined, own],
  [
    'a token of a user that never existed',
    'token-revoked',
    'PUT',
    self,
    update,
    token({ sub: strangerId, roles: ['admin'] }),
  ],
  ['a token without a version', 'token-invalid', 'PUT', self, update, token({ sub: user.id, ver: undefined })],
  ['a malformed id', 'validation-failed', 'PUT', '/api/v1/users/1', update, own],
  ['an id of UUID version 4', 'validation-failed', 'DELETE', `/api/v1/users/${crypto.randomUUID()}`, undefined, own],
  ['an id that is a path', 'validation-failed', 'DELETE', '/api/v1/users/..%2f', undefined, own],
  ['someone else’s id', 'not-allowed', 'DELETE', `/api/v1/users/${strangerId}`, undefined, own],
  ['an unknown path', 'route-not-found', 'POST', '/api/v1/nothing'],
  ['a broken escape', 'malformed-request', 'PUT', '/api/v1/users/%zz', update, own],
  ['a wrong method', 'method-not-allowed', 'PATCH', self, update, own],
  ['reading at the command side', 'method-not-allowed', 'GET', register],
  ['no token', 'token-missing', 'PUT', self, update],
  ['a malformed token', 'token-invalid', 'PUT', self, update, 'abc'],
  [
    'an expired token',
    'token-expired',
    'PUT',
    self,
    update,
    token({ sub: user.id }, { clockTimestamp: Date.now() - 3_600_000 }),
  ],
  ['a token not valid yet', 'token-invalid', 'PUT', self, update, token({ sub: user.id, nbf: 4_000_000_000 })],
  [
    'a token of another type',
    'token-invalid',
    'PUT',
    self,
    update,
    token({ sub: user.id }, { header: { alg: 'ES256', typ: 'JWT' } }),
  ],
  ['a token for others', 'token-invalid', 'PUT', self, update, token({ sub: user.id }, { aud: 'others' })],
  ['a token by others', 'token-invalid', 'PUT', self, update, token({ sub: user.id }, { iss: 'others' })],
  ['a token with an unknown key id', 'token-invalid', 'PUT', self, update, token({ sub: user.id }, { kid: 'none' })],
  ['an unsigned token', 'token-invalid', 'PUT', self, update, unsigned(own)],
  ['a token whose claims were changed', 'token-invalid', 'PUT', self, update, withRoles(own, ['admin'])],
]

t.test('bad input is refused with the code of its problem', async (t) => {
  for (const [what, code, method, path, body, as] of cases) {
    const answer = await send(method, path, body, as)
    isProblem(t, answer, code, what)
  }
})

t.test('an e-mail address in another case is the same address', async (t) => {
  await send('POST', register, jane)
  isProblem(t, await send('POST', register, { ...jane, email: 'JANE@example.COM' }), 'email-taken', 'in another case')
})

t.test('a body of another media type is refused', async (t) => {
  const response = await fetch(url + register, { method: 'POST', body: new URLSearchParams(jane.name) })
  isProblem(
    t,
    { status: response.status, headers: response.headers, body: await response.json() },
    'unsupported-media-type',
    'a form',
  )
})

t.test('a wrong method is answered with the allowed ones, of commands and queries', async (t) => {
  t.equal((await send('PATCH', self)).headers.get('allow'), 'DELETE, GET, HEAD, PUT')
  t.equal((await send('DELETE', '/api/v1/auth/login')).headers.get('allow'), 'POST')
})

t.test('a path ends at #, also for the allowed methods', async (t) => {
  // fetch does not send a fragment.
  const [answer] = await once(request(url, { method: 'POST', path: '/api/v1/users/x#y/password' }).end(), 'response')
  answer.resume()
  t.equal(answer.statusCode, 405)
  t.equal(answer.headers.allow, 'DELETE, GET, HEAD, PUT')
})

t.test('a refused token is answered with WWW-Authenticate as in RFC 6750', async (t) => {
  t.equal((await send('PUT', self, update)).headers.get('www-authenticate'), 'Bearer')
  t.equal((await send('PUT', self, update, 'abc')).headers.get('www-authenticate'), 'Bearer error="invalid_token"')
})

t.test('a refused login and refresh name the scheme of the API as well (RFC 9110, 11.6.1)', async (t) => {
  const logIn = await send('POST', '/api/v1/auth/login', { email: 'nobody@example.com', password: 'password123' })
  const refresh = await send('POST', '/api/v1/auth/refresh', { refreshToken: 'none' })
  for (const { status, headers } of [logIn, refresh])
    t.strictSame([status, headers.get('www-authenticate')], [401, 'Bearer'])
})

t.test('bytes that are not HTTP are answered with a problem', async (t) => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.end('HELLO\r\n\r\n')
  t.match((await buffer(socket)).toString(), /^HTTP\/1.1 400 .*application\/problem\+json.*"code":"malformed-request"/s)
})

t.test('no password, token, hash, key or address was logged', async (t) => {
  const log = lines.join('\n')
  t.match(log, '"msg":"request"', 'requests are logged')
  for (const secret of ['password123', own, 'argon2id', jane.email, signingKey.split('\n')[1] ?? '?'])
    t.notMatch(log, secret)
  t.notMatch(log, /"level":"(error|fatal)"/)
})

function isProblem(t: Test, { status, headers, body }: Answer, code: ProblemCode, what: string) {
  t.match(
    { status, body, type: headers.get('content-type') },
    { status: problems[code][0], body: { code, title: problems[code][1] }, type: /^application\/problem\+json/ },
    what,
  )
  t.notMatch(JSON.stringify(body), /\.[jt]s:\d|mongo|node_modules|Error:/i, `${what}: no internals`)
}

function unsigned(token: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url')
  return `${header}.${token.split('.')[1]}.`
}

function withRoles(token: string, roles: string[]): string {
  const [header, claims = '', signature] = token.split('.')
  const changed = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), roles }
  return [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.')
}
