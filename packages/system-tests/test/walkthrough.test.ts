import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readModelShapes, shapeName } from '@cqrs/contracts'
import { eventually, freshDirectory, valueIn } from '@cqrs/local-stack/testing'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import t from 'tap'
import { queries, unknownNames } from '../../deployment/test/observability/queries.ts'
import { startSystem } from './system.ts'

// The steps of "Testing the Implementation" in the mission, in order, through the gateway.
const { baseUrl, send, newUser, logs, mails, dataDir, ports, projector, servers } = await startSystem(
  t,
  { projector: { VERIFY_EVERY_SECONDS: '1' } },
  { ownServers: true },
)
const email = 'test@example.com'
const password = 'password123'
const requestId = 'registration:1'
const shapes = Object.entries(readModelShapes).flatMap(([name, numbers]) => numbers.map((n) => shapeName(name, n)))
let id = ''
let token = ''
let seen = {}
const get = (path: string) => send('GET', path, undefined, token)

t.test('register', async (t) => {
  const user = { email, password, name: 'Test User', roles: ['buyer'] }
  const asProxy = { 'x-request-id': requestId }
  const { status, body, headers } = await send('POST', '/api/v1/auth/register', user, undefined, asProxy)
  t.equal(status, 201)
  t.notMatch(JSON.stringify(body), /password|argon2/)
  id = body.id
  seen = { 'consistency-token': headers.get('consistency-token') }
})

t.test('log in', async (t) => {
  const { status, body } = await send('POST', '/api/v1/auth/login', { email, password })
  t.equal(status, 200)
  t.match(await send('POST', '/api/v1/auth/login', { email, password: 'guessed-wrong' }), { status: 401 })
  token = body.accessToken
})

t.test('query the user, the list, and the list by role', async (t) => {
  const user = await eventually(
    async () => (await get(`/api/v1/users/${id}`)).status === 200 && (await get(`/api/v1/users/${id}`)).body,
  )
  t.match(user, {
    id,
    email,
    name: 'Test User',
    roles: ['buyer'],
    roleCount: 1,
    isBuyer: true,
    isSeller: false,
    isActive: true,
  })
  t.match(await send('GET', `/api/v1/users/${id}`), { status: 401, body: { code: 'token-missing' } })
  t.match((await send('GET', '/api/v1/users?limit=10&offset=0', undefined, token, seen)).body, {
    data: [user],
    pagination: { limit: 10, offset: 0, total: 1, nextCursor: null },
  })
  t.match((await get('/api/v1/users/by-role/buyer?limit=10&offset=0')).body, { data: [user] })
  t.strictSame((await get('/api/v1/users/by-role/seller?limit=10&offset=0')).body.data, [])
})

t.test('update', async (t) => {
  const { status, body, headers } = await send(
    'PUT',
    `/api/v1/users/${id}`,
    { name: 'Jane Doe', roles: ['buyer', 'seller'] },
    token,
  )
  t.match({ status, body }, { status: 200, body: { version: 2 } })
  await eventually(async () => (await get(`/api/v1/users/${id}`)).body.version === 2)
  t.match((await get(`/api/v1/users/${id}`)).body, { name: 'Jane Doe', roleCount: 2, isSeller: true })
  seen = { 'consistency-token': headers.get('consistency-token') }
  const sellers = await send('GET', '/api/v1/users/by-role/seller', undefined, token, seen)
  t.match(sellers.body, { data: [{ id }], pagination: { total: 1 } })
})

t.test('the welcome e-mail arrives once', async (t) => {
  const [mail] = await eventually(async () => {
    const received = await mails()
    return received.length > 0 && received
  })
  t.match(mail, { to: [{ address: email }] })
  t.equal((await mails()).length, 1)
})

t.test('delete', async (t) => {
  const other = await newUser()
  t.match(await send('DELETE', `/api/v1/users/${id}`, undefined, token), { status: 204 })
  await eventually(async () => (await get(`/api/v1/users/${id}`)).body.code === 'token-revoked')
  token = other.token
  t.match(await get(`/api/v1/users/${id}`), { status: 404, body: { code: 'user-not-found' } })
  await eventually(async () => (await get('/api/v1/users')).body.pagination.total === 1)
  t.match((await get('/api/v1/users')).body, { data: [{ id: other.id }] })
  t.match(await send('POST', '/api/v1/auth/login', { email, password }), { status: 401 })
})

t.test('the log shows the flow of the events, with the address masked', async (t) => {
  const lines = logs.map((line) => JSON.parse(line)).filter((line) => line.user_id === id)
  const messages = lines.map(({ msg }) => msg)
  for (const expected of [
    'UserCreated event received',
    'Read model updated successfully',
    'Sending welcome email to user...',
    'UserUpdated event received',
    'UserDeleted event received',
  ]) {
    t.ok(messages.includes(expected), expected)
  }
  t.match(
    lines.find(({ msg }) => msg === 'UserCreated event received'),
    { email: 't***@example.com' },
  )
  const log = logs.join('\n')
  t.notMatch(log, /test@example\.com|Test User|Jane Doe|password123|guessed-wrong|argon2id/)
  t.notMatch(log, token.split('.')[2], 'no token')
})

t.test('one id finds the request, its event in every read model, and the mail', async (t) => {
  const lines = logs.map((line) => JSON.parse(line)).filter((line) => line.request_id === requestId)
  const found = lines.map(({ service, msg, read_model, route }) => [service, msg, read_model ?? route].join(' '))
  t.strictSame(
    found.map((line) => line.trim()).sort(),
    [
      'command-api request /api/v1/auth/register',
      'command-api audit',
      'command-api UserCreated event published',
      'projector UserCreated event received',
      ...shapes.map((name) => `projector Read model updated successfully ${name}`),
      'projector Sending welcome email to user...',
    ].sort(),
  )
  t.equal(new Set(lines.map((line) => line.trace_id)).size, 1)
  t.equal(new Set(lines.flatMap((line) => line.event_id ?? [])).size, 1)
})

// Independent tools and libraries check the running system.
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

t.test('the program in the README of the client walks through it as well', async (t) => {
  const directory = await freshDirectory(t)
  const client = fileURLToPath(new URL('../../client', import.meta.url))
  await mkdir(join(directory, 'node_modules/@cqrs'), { recursive: true })
  await symlink(client, join(directory, 'node_modules/@cqrs/client'))
  const [, program = ''] = /^```ts\n(.*?)^```/ms.exec(await readFile(join(client, 'README.md'), 'utf8')) ?? []
  t.ok(program.includes("'http://localhost:8080'"))
  await writeFile(join(directory, 'program.mts'), program.replace('http://localhost:8080', baseUrl))
  const { stdout } = await promisify(execFile)(process.execPath, [join(directory, 'program.mts')])
  t.match(stdout, /^Jane jane@example\.com$/m, 'the list has who was just registered')
  t.match(stdout, /name: 'Jane Doe'.*users: \d+.*somebody else was first; request \w+/s)
  t.match(await send('POST', '/api/v1/auth/login', { email: 'jane@example.com', password: 'correct horse battery' }), {
    status: 401,
  })
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
t.test('metrics and `projector status` show what a stopped projector has not handled', async (t) => {
  const metric = async (service: 'command-api' | 'projector', series: string) =>
    valueIn(await (await fetch(`http://127.0.0.1:${ports[service]}/metrics`)).text(), series)
  const oldest = () => metric('command-api', 'consumer_oldest_unhandled_seconds{consumer="users_read_v1"}')
  await eventually(async () => (await oldest()) === 0)
  await eventually(async () => (await projector('status').ended).code === 0)
  await servers.projector.stop()
  await newUser()
  await eventually(async () => Number(await oldest()) > 0)
  const stopped = await projector('status').ended
  t.equal(stopped.code, 1)
  t.match(stopped.stdout, /^! {2}projector {2}no answer$/m)
  t.match(stopped.stdout, /^! {2}users_read_v1 {2}1 events to handle {2}the oldest \d+\.\d s old/m)
  const lines = (await projector('--json', 'status').ended).stdout.trim().split('\n')
  t.match(
    lines.map((line) => JSON.parse(line)),
    [
      { service: 'command-api', version: String, status: 'ready', isWell: true },
      { service: 'projector', isWell: false },
      { service: 'query-api', status: 'ready' },
    ],
  )
  await servers.projector.start()
  await eventually(async () => (await oldest()) === 0)
  await eventually(async () => (await metric('projector', 'projector_dead_letters{consumer="users_read_v1"}')) === 0)
})

t.test('no process lacks a right at NATS', async (t) => {
  t.notMatch(readFileSync(join(dataDir, 'logs/nats.log'), 'utf8'), /Violation/)
})

t.test('each metric and label that a board or a rule names is answered', async (t) => {
  const answers = () =>
    Promise.all(
      [ports['command-api'], ports.projector, ports['query-api']].map(async (port) =>
        (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
      ),
    )
  await eventually(async () => (await answers()).some((answer) => answer.includes('\nprojector_deletions_held{')))
  // This system has no Redis.
  const asked = queries.filter(({ expr }) => !expr.includes('redis_operations_total'))
  t.strictSame(unknownNames(await answers(), asked), [])
})
