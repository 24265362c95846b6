import { generateKeyPairSync, sign } from 'node:crypto'
import { forge, publicPem } from '@cqrs/local-stack/testing'
import { publicJwk } from '@cqrs/service-kit'

type Members = Record<string, unknown>

/** Forgeries of a valid token, which must not be accepted, each named by its fault. Undefined removes a member. */
export function forgeries(good: string, signingKey: string): Record<string, string> {
  const [head = '', body = '', signature = ''] = good.split('.')
  const der = sign('sha256', Buffer.from(`${head}.${body}`), signingKey)
  const claims: Members = JSON.parse(Buffer.from(body, 'base64url').toString())
  const now = Math.floor(Date.now() / 1000)
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const otherKey = other.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const pem = publicPem(signingKey)
  const { kty, crv, x, y } = publicJwk(signingKey)
  const signed = (header: Members, changed: Members = {}, key = signingKey) =>
    forge(good, { header, claims: changed, key })
  const hmac = (secret: string, alg = 'HS256') => forge(good, { header: { alg }, secret })
  const unsigned = (header: Members, changed: Members = {}) =>
    forge(good, { header, claims: changed }).replace(/[^.]*$/, '')
  const with_ = (changed: Members) => signed({}, changed)
  return {
    none: unsigned({ alg: 'none' }),
    'none, signed': forge(good, { header: { alg: 'none' } }),
    NONE: unsigned({ alg: 'NONE' }, { roles: ['admin'] }),
    'HS256 with the public key': hmac(pem),
    'HS256 with the public key, trimmed': hmac(pem.trim()),
    'HS256 with the public key as JWK': hmac(JSON.stringify({ kty, x, y, crv })),
    'HS256 with nothing': hmac(''),
    'HS512 in name': hmac(pem, 'HS512'),
    'ES384 in name': signed({ alg: 'ES384' }),
    'RS256 in name': signed({ alg: 'RS256' }),
    'alg a list': signed({ alg: ['ES256'] }),
    'no alg': signed({ alg: undefined }),
    'another key': signed({}, {}, otherKey),
    'another key in jwk': signed({ jwk: other.publicKey.export({ format: 'jwk' }) }, {}, otherKey),
    'another key behind jku': signed({ jku: 'http://127.0.0.1:1/jwks.json', kid: 'x' }, {}, otherKey),
    'another key behind x5u': signed({ x5u: 'http://127.0.0.1:1/x.pem', x5c: ['AA=='] }, {}, otherKey),
    'wrong kid': signed({ kid: 'unknown' }),
    'no kid': signed({ kid: undefined }),
    'kid a number': signed({ kid: 1 }),
    'kid an operator': signed({ kid: { $ne: null } }),
    'kid a path': signed({ kid: '../../../../dev/null' }),
    'kid a prototype': signed({ kid: '__proto__' }),
    'kid an injection': signed({ kid: "x' UNION SELECT 'key" }),
    crit: signed({ crit: ['b64'], b64: false }),
    'crit of what is there': signed({ crit: ['exp'], exp: now + 60 }),
    'crit a text': signed({ crit: 'exp' }),
    'crit empty': signed({ crit: [] }),
    'typ JWT': signed({ typ: 'JWT' }),
    'typ of another kind': signed({ typ: 'dpop+jwt' }),
    'typ of a device token': signed({ typ: 'device+jwt' }),
    'no typ': signed({ typ: undefined }),
    'iss another': with_({ iss: 'https://evil.example' }),
    'iss a list': with_({ iss: [claims['iss'], 'x'] }),
    'no iss': with_({ iss: undefined }),
    'aud another': with_({ aud: 'another-service' }),
    'aud empty': with_({ aud: [] }),
    'aud an operator': with_({ aud: { $ne: null } }),
    'no aud': with_({ aud: undefined }),
    'exp past': with_({ exp: now - 1_000 }),
    'exp a text': with_({ exp: String(now + 600) }),
    'exp a date': with_({ exp: '2099-01-01' }),
    'exp a list': with_({ exp: [now + 600] }),
    'exp null': with_({ exp: null }),
    'no exp': with_({ exp: undefined }),
    'nbf in the future': with_({ nbf: now + 600 }),
    'nbf a text': with_({ nbf: String(now) }),
    'iat a text': with_({ iat: 'now' }),
    'no iat': with_({ iat: undefined }),
    'no sub': with_({ sub: undefined }),
    'sub empty': with_({ sub: '' }),
    'sub an operator': with_({ sub: { $ne: null } }),
    'sub a number': with_({ sub: 1 }),
    'roles a text': with_({ roles: 'admin' }),
    'roles of numbers': with_({ roles: [1] }),
    'no roles': with_({ roles: undefined }),
    'no jti': with_({ jti: undefined }),
    'no ver': with_({ ver: undefined }),
    'ver a text': with_({ ver: '1' }),
    'ver null': with_({ ver: null }),
    'payload tampered': forge(good, { claims: { roles: ['admin'] } }),
    'signature of zeros': `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`,
    'signature cut': `${head}.${body}.${signature.slice(0, 40)}`,
    'signature doubled': `${head}.${body}.${signature}${signature}`,
    'signature as DER': `${head}.${body}.${der.toString('base64url')}`,
    'no signature': `${head}.${body}`,
    'five parts': `${good}.e30.e30`,
    'dots alone': '..',
    'no JSON': `${Buffer.from('{').toString('base64url')}.${body}.${signature}`,
    'payload a list': `${head}.${Buffer.from('[]').toString('base64url')}.${signature}`,
    'header null': `${Buffer.from('null').toString('base64url')}.${body}.${signature}`,
    'twice the same name': `${head}.${Buffer.from('{"sub":"x","sub":"y"}').toString('base64url')}.${signature}`,
    'very long': `${head}.${'A'.repeat(12_000)}.${signature}`,
    garbage: 'garbage',
  }
}
