import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { problems, routes } from '@cqrs/contracts'
import { forge, publicPem } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, user } from './fixtures/users.ts'

const { app, mint, stored, signingKeyFile } = await startQueryApi(t)
await stored.insertOne(user(1))

const key = readFileSync(signingKeyFile, 'utf8')
const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
const good = mint({ roles: ['admin'] })
const [head, body, signature] = good.split('.') as [string, string, string]
const signedWith = (parts: { header?: Record<string, unknown>; claims?: Record<string, unknown> }) =>
  forge(good, { ...parts, key })
const nowSeconds = Math.floor(Date.now() / 1000)

const queries = [
  routes.getUser.path.replace(':id', idOf(1)),
  routes.listUsers.path,
  routes.listUsersByRole.path.replace(':role', 'buyer'),
  routes.userStats.path,
  routes.listDirectory.path,
]

for (const url of queries) {
  t.test(`a valid token is accepted: ${url}`, async (t) => {
    for (const scheme of ['Bearer', 'bearer']) {
      t.equal((await app.inject({ url, headers: { authorization: `${scheme} ${good}` } })).statusCode, 200)
    }
    const rebuilt = { authorization: `Bearer ${signedWith({})}` }
    t.equal((await app.inject({ url, headers: rebuilt })).statusCode, 200, 'also when signed by `forge`')
  })
}

const refusals: Record<'token-missing' | 'token-expired' | 'token-invalid', Record<string, string | undefined>> = {
  'token-missing': {
    'no header': undefined,
    'empty header': '',
    'another scheme': `Basic ${Buffer.from('jane:secret').toString('base64')}`,
    'a token without a scheme': good,
    'a scheme without a token': 'Bearer',
  },
  'token-expired': {
    expired: `Bearer ${mint({}, { clockTimestamp: Date.now() - 120_000 })}`,
    'expired this second': `Bearer ${signedWith({ claims: { exp: nowSeconds - 1 } })}`,
  },
  'token-invalid': bearers({
    garbage: 'garbage',
    'two tokens': `${good} ${good}`,
    'only dots': '..',
    'no signature': `${head}.${body}.`,
    'no payload': `${head}..${signature}`,
    'four parts': `${good}.${signature}`,
    'a payload that is not JSON': `${head}.${Buffer.from('{').toString('base64url')}.${signature}`,
    'a payload that is a list': `${head}.${Buffer.from('[]').toString('base64url')}.${signature}`,
    'a header that is null': `${Buffer.from('null').toString('base64url')}.${body}.${signature}`,
    'not yet valid (nbf)': mint({}, { notBefore: 60_000 }),
    'modified payload': forge(good, { claims: { roles: ['seller'] } }),
    'modified signature': `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
    'truncated signature': `${head}.${body}.${signature.slice(0, -4)}`,
    'signature with padding': `${good}==`,
    'signed by another key': forge(good, { key: otherKey.toString() }),
    'its own key in the header (jwk)': forge(good, { header: { jwk: { kty: 'EC' } }, key: otherKey.toString() }),
    'alg none': forge(good, { header: { alg: 'none' } }),
    'alg none without a signature': forge(good, { header: { alg: 'none' } }).replace(/[^.]*$/, ''),
    'alg None': forge(good, { header: { alg: 'None' } }),
    'alg HS256 with the public key as secret': forge(good, { header: { alg: 'HS256' }, secret: publicPem(key) }),
    'alg HS256 with the trimmed public key': forge(good, { header: { alg: 'HS256' }, secret: publicPem(key).trim() }),
    'alg HS256 with an empty secret': forge(good, { header: { alg: 'HS256' }, secret: '' }),
    'alg RS256': signedWith({ header: { alg: 'RS256' } }),
    'no alg': signedWith({ header: { alg: undefined } }),
    'typ JWT, as ID tokens have': mint({}, { header: { alg: 'ES256', typ: 'JWT' } }),
    'typ of a device token': signedWith({ header: { typ: 'device+jwt' } }),
    'no typ': signedWith({ header: { typ: undefined } }),
    'typ that is not a string': signedWith({ header: { typ: ['at+jwt'] } }),
    'unknown kid': mint({}, { kid: 'another' }),
    'no kid': signedWith({ header: { kid: undefined } }),
    'kid that is not a string': signedWith({ header: { kid: { $ne: null } } }),
    'kid with path traversal': signedWith({ header: { kid: '../../../../dev/null' } }),
    'kid that is a property of every object': signedWith({ header: { kid: '__proto__' } }),
    'unknown crit': signedWith({ header: { crit: ['b64'], b64: false } }),
    'empty crit': signedWith({ header: { crit: [] } }),
    'another issuer': mint({}, { iss: 'somebody' }),
    'no issuer': signedWith({ claims: { iss: undefined } }),
    'another audience': mint({}, { aud: 'another-service' }),
    'other audiences': mint({}, { aud: ['one', 'two'] }),
    'no audience': signedWith({ claims: { aud: undefined } }),
    'no exp': signedWith({ claims: { exp: undefined } }),
    'exp that is a string': signedWith({ claims: { exp: String(nowSeconds + 60) } }),
    'exp that is null': signedWith({ claims: { exp: null } }),
    'nbf that is a string': signedWith({ claims: { nbf: String(nowSeconds) } }),
    'nbf beyond any date': signedWith({ claims: { nbf: 1e300 } }),
    'iat that is a string': signedWith({ claims: { iat: String(nowSeconds) } }),
    'no sub': signedWith({ claims: { sub: undefined } }),
    'empty sub': signedWith({ claims: { sub: '' } }),
    'sub that is a number': signedWith({ claims: { sub: 1 } }),
    'no roles': signedWith({ claims: { roles: undefined } }),
    'roles that are a string': signedWith({ claims: { roles: 'admin' } }),
    'no ver': signedWith({ claims: { ver: undefined } }),
    'ver that is a string': signedWith({ claims: { ver: '1' } }),
    'ver that is not an integer': signedWith({ claims: { ver: 1.5 } }),
    'ver 0': signedWith({ claims: { ver: 0 } }),
    'no jti': signedWith({ claims: { jti: undefined } }),
  }),
}

for (const [code, cases] of Object.entries(refusals) as [keyof typeof refusals, object][]) {
  for (const [what, authorization] of Object.entries(cases) as [string, string | undefined][]) {
    t.test(`${code}: ${what}`, async (t) => {
      for (const method of ['GET', 'HEAD'] as const) {
        for (const url of queries) {
          const answer = await app.inject({
            method,
            url,
            headers: authorization === undefined ? {} : { authorization },
          })
          t.equal(answer.statusCode, problems[code][0], `${method} ${url}`)
          t.match(answer.headers['content-type'], /^application\/problem\+json/)
          t.equal(
            answer.headers['www-authenticate'],
            code === 'token-missing' ? 'Bearer' : 'Bearer error="invalid_token"',
          )
          if (method === 'GET')
            t.strictSame(answer.json(), {
              type: `/docs/problems.html#${code}`,
              ...described(code),
              instance: answer.headers['x-request-id'],
            })
        }
      }
    })
  }
}

t.test('without a token, ids that exist cannot be told from others', async (t) => {
  for (const id of [idOf(1), idOf(2), 'none']) {
    t.equal((await app.inject(`/api/v1/users/${id}`)).statusCode, 401)
  }
})

function bearers(tokens: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(tokens).map(([what, token]) => [what, `Bearer ${token}`]))
}

function described(code: keyof typeof refusals) {
  const [status, title] = problems[code]
  return { title, status, code }
}
