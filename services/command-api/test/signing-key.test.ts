import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '@cqrs/local-stack/testing'
import { generateKeyFiles, publicJwk } from '@cqrs/service-kit'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const { send, newUser, logs, replicaEnv } = await startCommandApi(t)
const { JWT_SIGNING_KEY_FILE: signingKeyFile = '', JWKS_FILE: jwksFile = '' } = replicaEnv
const { email, password, token } = await newUser()
const logIn = async (deviceToken?: string) =>
  (await send('POST', '/api/v1/auth/login', { email, password, deviceToken })).body
const { deviceToken } = await logIn()
const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
const idOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).jti
const newKid = async () => kidOf((await logIn()).accessToken)

t.test('a new signing key is used, but not before its public half is published', async (t) => {
  const other = await generateKeyFiles(join(t.testdir(), 'other'))
  const key = publicJwk(await readFile(other.signingKeyFile, 'utf8'))
  await rename(other.signingKeyFile, signingKeyFile)
  await eventually(async () => (await newKid()) && logs.some(({ msg }) => msg.includes('could not be verified')))
  t.equal(await newKid(), kidOf(token), 'the previous key still signs')

  const { keys } = JSON.parse(await readFile(jwksFile, 'utf8'))
  await writeFile(jwksFile, JSON.stringify({ keys: [...keys, key] }))
  await eventually(async () => (await newKid()) === key.kid)
  t.equal(logs.filter(({ msg }) => msg.includes('could not be verified')).length, 1, 'it is logged once')
  const renewed = (await logIn(deviceToken)).deviceToken
  t.equal(kidOf(renewed), key.kid)
  t.equal(idOf(renewed), idOf(deviceToken), 'a device token of the previous key is valid while that is published')
})

t.test('an unreadable signing key changes nothing', async (t) => {
  const before = await newKid()
  await writeFile(signingKeyFile, 'no key')
  await eventually(async () => (await newKid()) && logs.some(({ msg }) => msg.includes('cannot reload a changed file')))
  t.equal(await newKid(), before)
})
