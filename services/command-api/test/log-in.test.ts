import { createPublicKey, verify } from 'node:crypto'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const { send, newUser } = await startCommandApi(t, { TRUSTED_PROXIES: '127.0.0.1' })
const { user, email, password, token } = await newUser({ roles: ['buyer', 'seller'] })

t.test('a login answers a Bearer token and its lifetime, and is not cached', async (t) => {
  const { status, headers, body } = await send('POST', '/api/v1/auth/login', { email: email.toUpperCase(), password })
  t.match({ status, body }, { status: 200, body: { tokenType: 'Bearer', expiresIn: 900 } })
  t.equal(headers.get('cache-control'), 'no-store')
})

t.test('the token has the claims of RFC 9068 and is verified by the published keys', async (t) => {
  const [header, claims, signature] = token.split('.') as [string, string, string]
  const { body: jwks } = await send('GET', '/.well-known/jwks.json')
  t.match(decode(header), { alg: 'ES256', typ: 'at+jwt', kid: jwks.keys[0].kid })
  const { iat, exp, jti, ...rest } = decode(claims)
  t.strictSame(rest, {
    sub: user.id,
    roles: ['buyer', 'seller'],
    ver: 1,
    iss: 'cqrs-user-service',
    aud: 'cqrs-user-service',
    client_id: 'cqrs-user-service',
  })
  t.equal(exp - iat, 900)
  t.ok(jti)
  const key = createPublicKey({ key: jwks.keys[0], format: 'jwk' })
  const signed = { key, dsaEncoding: 'ieee-p1363' } as const
  t.ok(verify('sha256', Buffer.from(`${header}.${claims}`), signed, Buffer.from(signature, 'base64url')))
  t.notOk(jwks.keys[0].d, 'the private half is not published')
})

t.test('a device token is not an access token', async (t) => {
  const { deviceToken } = (await send('POST', '/api/v1/auth/login', { email, password })).body
  const [header, claims] = deviceToken.split('.')
  t.match(decode(header), { alg: 'ES256', typ: 'device+jwt' })
  const { iat, exp, jti, ...rest } = decode(claims)
  t.strictSame(rest, { sub: user.id, ver: 1, iss: 'cqrs-user-service', aud: 'cqrs-user-service/login' })
  t.equal(exp - iat, 180 * 24 * 3_600)
  t.ok(jti)
  const answer = await send('DELETE', `/api/v1/users/${user.id}`, undefined, deviceToken)
  t.match(answer, { status: 401, body: { code: 'token-invalid' } })
})

t.test('an unknown address, a wrong password and a deleted user get the same answer', async (t) => {
  const gone = await newUser()
  await send('DELETE', `/api/v1/users/${gone.user.id}`, undefined, gone.token)
  const attempts = [
    { email: 'nobody@example.com', password },
    { email, password: 'not the password' },
    { email: gone.email, password: gone.password },
    { email: 'no address', password: 'x' },
  ]
  const answers = await Promise.all(
    attempts.map((attempt) => send('POST', '/api/v1/auth/login', attempt, undefined, { 'x-request-id': 'one' })),
  )
  for (const { status, body } of answers) {
    t.equal(status, 401)
    t.equal(body.code, 'invalid-credentials')
    t.strictSame(body, answers[0]?.body)
  }
})

const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())

/** A login of the user through a proxy, from this address. */
const logInFrom = (address: string) =>
  send('POST', '/api/v1/auth/login', { email, password }, undefined, { 'x-forwarded-for': address })

t.test('a client that keeps the hasher busy leaves room for the others', async (t) => {
  const { user, token } = await newUser()
  const change = { currentPassword: 'wrong password', newPassword: 'a new password' }
  const greedy = {
    'one token on change-password': () => send('POST', `/api/v1/users/${user.id}/password`, change, token),
    'one address on login': () => logInFrom('203.0.113.1'),
    'one address on registration': () =>
      send('POST', '/api/v1/auth/register', { email, password, name: 'Again', roles: ['buyer'] }, undefined, {
        'x-forwarded-for': '203.0.113.2',
      }),
  }
  for (const [what, request] of Object.entries(greedy)) {
    const flood = Array.from({ length: 130 }, request)
    const others = await Promise.all(Array.from({ length: 10 }, (_, n) => logInFrom(`198.51.100.${n}`)))
    t.strictSame(new Set(others.map(({ status }) => status)), new Set([200]), what)
    const refused = (await Promise.all(flood)).filter(({ status }) => status === 429)
    t.ok(refused.length > 0, `${refused.length} of 130 refused: ${what}`)
    t.equal(refused[0]?.headers.get('retry-after'), '1')
  }
})

t.test('more logins than can be hashed within a second get 503, and health answers in the meantime', async (t) => {
  const attempts = Array.from({ length: 400 }, (_, n) => logInFrom(`198.51.${n >> 8}.${n & 255}`))
  let done = 0
  for (const attempt of attempts) void attempt.finally(() => done++)
  const other = ['/healthz', '/.well-known/jwks.json'].map(async (path) => (await send('GET', path)).status)
  t.strictSame(await Promise.all(other), [200, 200])
  // One probe may be late, where the database is: a supervisor acts on the third.
  await eventually(async () => (await send('GET', '/readyz')).status === 200)
  t.ok(done < 400, `health and keys were answered when ${done} of the logins were`)
  const answers = await Promise.all(attempts)
  const refused = answers.filter(({ status }) => status !== 200)
  t.ok(refused.length > 0 && refused.length < 400, `${refused.length} of 400 refused`)
  for (const { status, headers, body } of refused) {
    t.match(
      { status, body, retryAfter: headers.get('retry-after') },
      { status: 503, body: { code: 'overloaded' }, retryAfter: '1' },
    )
  }
})
