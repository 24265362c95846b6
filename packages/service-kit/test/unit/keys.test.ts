import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { generateKeyFiles, publicJwk } from '../../src/index.ts'

t.test('creates a P-256 key that only its owner can read, and publishes only the public key', async (t) => {
  const { signingKeyFile, jwksFile } = await generateKeyFiles(join(t.testdir(), 'not', 'there', 'yet'))
  t.equal((await stat(signingKeyFile)).mode & 0o777, 0o600)
  const pem = await readFile(signingKeyFile, 'utf8')
  t.match(pem, /^-----BEGIN PRIVATE KEY-----/)
  const { keys } = JSON.parse(await readFile(jwksFile, 'utf8'))
  t.strictSame(keys, [publicJwk(pem)])
  t.strictSame(Object.keys(keys[0]).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  t.match(keys[0], { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' })
})

t.test('keeps existing files', async (t) => {
  const dir = t.testdir()
  const { signingKeyFile, jwksFile } = await generateKeyFiles(dir)
  const before = await Promise.all([readFile(signingKeyFile), readFile(jwksFile)])
  await generateKeyFiles(dir)
  t.strictSame(await Promise.all([readFile(signingKeyFile), readFile(jwksFile)]), before)

  await writeFile(jwksFile, '{"keys":[]}')
  await generateKeyFiles(dir)
  t.equal(await readFile(jwksFile, 'utf8'), '{"keys":[]}', 'also where an operator has changed them')

  await rm(jwksFile)
  await generateKeyFiles(dir)
  t.equal(await readFile(jwksFile, 'utf8'), before[1].toString(), 'and makes the public half of the key that is there')
})

t.test('processes that start at the same time agree on one key pair', async (t) => {
  const dir = t.testdir()
  const [{ signingKeyFile, jwksFile }] = await Promise.all([
    generateKeyFiles(dir),
    generateKeyFiles(dir),
    generateKeyFiles(dir),
  ])
  const { keys } = JSON.parse(await readFile(jwksFile, 'utf8'))
  t.strictSame(keys, [publicJwk(await readFile(signingKeyFile, 'utf8'))])
})

t.test('a kid is the thumbprint of RFC 7638', async (t) => {
  // A key of RFC 7515, A.3, and its thumbprint as other implementations compute it.
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
  }
  const pem = createPrivateKey({ key: jwk, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' }) as string
  const { kid, ...published } = publicJwk(pem)
  t.equal(kid, 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U')
  t.ok(createPublicKey({ key: published, format: 'jwk' }))
})

t.test('any other kind of key is refused with a ConfigError', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  t.throws(() => publicJwk(pem), { message: /not a P-256 key/ })
  t.throws(() => publicJwk('hello'), { message: /not a readable PEM key/ })
})
