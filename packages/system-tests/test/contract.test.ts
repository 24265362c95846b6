import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import t from 'tap'
import { startSystem } from './system.ts'

// What tools and libraries that others wrote say of the running system.
const { baseUrl, newUser } = await startSystem(t)

t.test('Redocly’s Respect walks through the API and finds each answer to be as described', async (t) => {
  const cwd = fileURLToPath(new URL('../../..', import.meta.url))
  const walkthrough = 'docs/openapi/walkthrough.arazzo.yaml'
  const email = `${crypto.randomUUID()}@example.com`
  const args = ['respect', walkthrough, '--server', `api=${baseUrl}`, '--input', `email=${email}`]
  const { stdout, stderr } = await promisify(execFile)(join(cwd, 'node_modules/.bin/redocly'), args, { cwd }).catch(
    (error) => error,
  )
  const said = `${stdout}${stderr}`
  t.match(said, /Workflows: 1 passed, 1 total/, 'no step of it failed')
  t.comment(/Checks: .*/.exec(said)?.[0])
})

t.test('the walk-through takes in every operation', async (t) => {
  const read = (name: string) => readFile(new URL(`../../../docs/openapi/${name}`, import.meta.url), 'utf8')
  const walkthrough = await read('walkthrough.arazzo.yaml')
  for (const [, operationId] of (await read('api.json')).matchAll(/"operationId": "(\w+)"/g))
    t.ok(walkthrough.includes(`operationId: ${operationId}\n`), `${operationId} is a step of it`)
})

t.test('jose verifies a token by the published keys, and no other than it', async (t) => {
  const { id, token } = await newUser()
  const keys = createRemoteJWKSet(new URL(`${baseUrl}/.well-known/jwks.json`))
  const expected = {
    issuer: 'cqrs-user-service',
    audience: 'cqrs-user-service',
    typ: 'at+jwt',
    algorithms: ['ES256'],
    // RFC 9068, 2.2
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'],
  }
  const { payload } = await jwtVerify(token, keys, expected)
  t.equal(payload.sub, id)
  t.equal((payload.exp ?? 0) - (payload.iat ?? 0), 900)
  await t.rejects(jwtVerify(`${token.slice(0, -8)}AAAAAAAA`, keys, expected))
})
