import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import t from 'tap'
import { startSystem } from './system.ts'

// Independent tools and libraries check the running system.
const { baseUrl, newUser } = await startSystem(t)

t.test('Redocly Respect walks through the API and finds each response as described', async (t) => {
  const cwd = fileURLToPath(new URL('../../..', import.meta.url))
  const walkthrough = 'docs/openapi/walkthrough.arazzo.yaml'
  const email = `${crypto.randomUUID()}@example.com`
  const args = ['respect', walkthrough, '--server', `api=${baseUrl}`, '--input', `email=${email}`]
  const { stdout, stderr } = await promisify(execFile)(join(cwd, 'node_modules/.bin/redocly'), args, { cwd }).catch(
    (error) => error,
  )
  const output = `${stdout}${stderr}`
  t.match(output, /Workflows: 1 passed, 1 total/, 'no step failed')
  t.comment(/Checks: .*/.exec(output)?.[0])
})

t.test('the walk-through contains every operation', async (t) => {
  const read = (name: string) => readFile(new URL(`../../../docs/openapi/${name}`, import.meta.url), 'utf8')
  const walkthrough = await read('walkthrough.arazzo.yaml')
  for (const [, operationId] of (await read('api.json')).matchAll(/"operationId": "(\w+)"/g))
    t.ok(walkthrough.includes(`operationId: ${operationId}\n`), `${operationId} is a step of it`)
})

t.test('jose verifies a token with the published keys, and rejects a forged one', async (t) => {
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
