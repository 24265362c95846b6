import { readFileSync } from 'node:fs'
import { generateKeyFiles, publicJwk } from '@cqrs/service-kit'
import { createVerifier } from 'fast-jwt'
import t from 'tap'
import { forge, publicPem, tokenMint } from '../../src/testing.ts'

const { signingKeyFile } = await generateKeyFiles(t.testdir())
const key = readFileSync(signingKeyFile, 'utf8')
const mint = tokenMint(signingKeyFile, { iss: 'the-issuer' })

t.test('a token is as command-api makes it, but for what the test says', (t) => {
  const { header, payload } = read(mint())
  t.strictSame(header, { alg: 'ES256', typ: 'at+jwt', kid: publicJwk(key).kid })
  t.match(payload, { iss: 'the-issuer', aud: 'cqrs-user-service', roles: ['buyer'], ver: 1, sub: String, jti: String })
  t.equal(payload.exp - payload.iat, 60)
  const other = read(mint({ sub: 'jane', ver: undefined }, { aud: 'others' })).payload
  t.match(other, { sub: 'jane', aud: 'others', iss: 'the-issuer' })
  t.notHas(other, 'ver')
  t.not(other.jti, payload.jti)
  t.end()
})

t.test('a forged token has the parts and the signature that the test asks for', (t) => {
  const good = mint()
  const signed = forge(good, { header: { kid: undefined }, claims: { roles: ['admin'] }, key })
  t.notHas(read(signed).header, 'kid')
  t.match(read(signed).payload, { roles: ['admin'], jti: read(good).payload.jti })
  t.ok(createVerifier({ key: publicPem(key) })(signed))
  t.equal(forge(good, { header: { alg: 'none' } }).split('.')[2], good.split('.')[2])
  t.ok(createVerifier({ key: 'secret' })(forge(good, { header: { alg: 'HS256' }, secret: 'secret' })))
  t.end()
})

function read(token: string) {
  const [header, payload] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString())
  return { header: JSON.parse(header ?? ''), payload: JSON.parse(payload ?? '') }
}
