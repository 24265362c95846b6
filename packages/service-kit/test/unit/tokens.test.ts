import { generateKeyPairSync } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Refusal } from '@cqrs/contracts'
import { createSigner, type SignerOptions } from 'fast-jwt'
import { MongoServerSelectionError } from 'mongodb'
import t from 'tap'
import {
  type Caller,
  ConfigError,
  callerOf,
  createServer,
  generateKeyFiles,
  publicJwk,
  verifyAccessTokens,
} from '../../src/index.ts'
import { captureLog } from '../fixtures/capture-log.ts'

const dir = t.testdir()
const jwksFile = join(dir, 'jwks.json')
const [first, second, third] = await Promise.all([newKey('first'), newKey('second'), newKey('third')])
await publish(first)

const { lines, logger } = captureLog()
const app = createServer(logger)
t.teardown(() => app.close())
let admit = async (caller: Caller): Promise<Caller> => caller
const authenticate = verifyAccessTokens(
  app,
  { JWKS_FILE: jwksFile, JWT_ISSUER: 'the-issuer', JWT_AUDIENCE: 'the-audience' },
  (caller) => admit(caller),
)
app.get('/me', { onRequest: authenticate }, (request) => callerOf(request))
app.get('/anybody', (request) => ({ caller: callerOf(request) ?? 'nobody' }))

// The clock is moved instead of waiting.
let aheadMs = 0
const now = Date.now
Date.now = () => now() + aheadMs
t.teardown(() => {
  Date.now = now
})

t.test('the caller comes from the token', async (t) => {
  const answer = await app.inject({ url: '/me', headers: bearer(first) })
  t.strictSame(answer.json(), { id: 'jane', roles: ['buyer'], version: 3 })
  t.strictSame((await app.inject({ url: '/anybody', headers: bearer(first) })).json(), { caller: 'nobody' })
})

t.test('the type of an access token may have its prefix, in any case (RFC 9068, 4)', async (t) => {
  for (const typ of ['application/at+jwt', 'AT+JWT']) {
    const headers = bearer(first, { header: { alg: 'ES256', typ } })
    t.equal((await app.inject({ url: '/me', headers })).statusCode, 200, typ)
  }
})

t.test('admit decides last: it returns the caller or refuses', async (t) => {
  admit = async (caller) => ({ ...caller, roles: ['admin'] })
  t.match((await app.inject({ url: '/me', headers: bearer(first) })).json(), { id: 'jane', roles: ['admin'] })
  admit = async () => {
    throw new Refusal('token-revoked')
  }
  const revoked = await app.inject({ url: '/me', headers: bearer(first) })
  t.match(revoked.json(), { status: 401, code: 'token-revoked' })
  t.equal(revoked.headers['www-authenticate'], 'Bearer error="invalid_token"')
  admit = async () => {
    throw new MongoServerSelectionError('away', {} as never)
  }
  const away = await app.inject({ url: '/me', headers: bearer(first) })
  t.match(away.json(), { status: 503, code: 'storage-unavailable' })
  t.notOk(away.headers['www-authenticate'], 'nothing is wrong with the token')
  admit = async (caller) => caller
})

t.test('a new key works without a restart, and the old one still works', async (t) => {
  t.equal(await statusWith(second), 401)
  await publish(first, second)
  aheadMs += 1_001
  t.equal(await statusWith(second), 200)
  t.equal(await statusWith(first), 200)
})

t.test('a token of the new key is valid as soon as the key is published', async (t) => {
  t.equal(await statusWith(third), 401)
  await publish(first, second, third)
  t.equal(await statusWith(third), 200)
})

t.test('a removed key is refused a second later, even if no other key is looked up', async (t) => {
  await publish(second, third)
  aheadMs += 1_001
  t.equal(await statusWith(first), 401)
  await publish(first, second, third)
  t.equal(await statusWith(first), 200)
})

t.test('while the file is invalid or missing the known keys stay valid, and it is logged', async (t) => {
  const unknown = await newKey('unknown')
  for (const damage of [() => writeFile(jwksFile, '{"keys":['), () => rm(jwksFile)]) {
    await damage()
    lines.length = 0
    aheadMs += 1_001
    t.equal(await statusWith(unknown), 401)
    t.equal(await statusWith(first), 200)
    t.match(
      lines.filter(({ level }) => level === 50),
      [{ msg: 'cannot reload a changed file; using its previous content' }],
    )
  }
  await publish(first, second, unknown)
  aheadMs += 1_001
  t.equal(await statusWith(unknown), 200)
  t.equal(await statusWith(third), 401, 'a key that was taken out is gone with the next reading')
})

t.test('only ES256 is accepted, even if the file holds another kind of key', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await writeFile(jwksFile, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'rsa' }] }))
  aheadMs += 1_001
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const headers = bearer(key, { algorithm: 'RS256', kid: 'rsa', header: { alg: 'RS256', typ: 'at+jwt' } })
  t.equal((await app.inject({ url: '/me', headers })).statusCode, 401)
  t.notMatch(lines.at(-1), { msg: 'cannot reload a changed file; using its previous content' })
})

t.test('without usable keys the service does not start', async (t) => {
  const verifyBy = (file: string) => () =>
    verifyAccessTokens(createServer(logger), { JWKS_FILE: file, JWT_ISSUER: 'i', JWT_AUDIENCE: 'a' }, admit)
  for (const content of ['', 'hello', 'null', '{}', '{"keys":{}}', '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}']) {
    const file = join(t.testdir({ 'jwks.json': content }), 'jwks.json')
    t.throws(verifyBy(file), new ConfigError(`${file} is not a JWKS of public keys (RFC 7517)`), content)
  }
  t.throws(verifyBy(join(dir, 'nowhere')), { code: 'ENOENT' })
})

async function newKey(name: string): Promise<string> {
  return await readFile((await generateKeyFiles(join(dir, name))).signingKeyFile, 'utf8')
}

async function publish(...keys: string[]): Promise<void> {
  await writeFile(jwksFile, JSON.stringify({ keys: keys.map(publicJwk) }))
}

async function statusWith(key: string): Promise<number> {
  return (await app.inject({ url: '/me', headers: bearer(key) })).statusCode
}

function bearer(key: string, options: Partial<SignerOptions> = {}): { authorization: string } {
  const sign = createSigner({
    key,
    algorithm: 'ES256',
    kid: options.kid ?? publicJwk(key).kid,
    header: { alg: 'ES256', typ: 'at+jwt' },
    iss: 'the-issuer',
    aud: 'the-audience',
    expiresIn: 60_000,
    ...options,
  })
  return { authorization: `Bearer ${sign({ sub: 'jane', roles: ['buyer'], ver: 3, jti: 'a-token' })}` }
}
