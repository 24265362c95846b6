import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { usersReadIndexes } from '@cqrs/contracts'
import {
  eventually,
  freePort,
  freshDatabase,
  freshNats,
  freshRedis,
  runProgram,
  startProcess,
  tokenMint,
} from '@cqrs/local-stack/testing'
import { generateKeyFiles } from '@cqrs/service-kit'
import t, { type Test } from 'tap'
import { freshReadStore, setUpReadStore } from './fixtures/query-api.ts'
import { idOf, sums, user } from './fixtures/users.ts'

const dir = t.testdir({ 'hello.txt': 'hello', 'empty.json': '{}' })
const { jwksFile, signingKeyFile } = await generateKeyFiles(dir)
const mint = tokenMint(signingKeyFile)
await rm(signingKeyFile) // query-api never needs it
const { uri: presentUri } = await freshDatabase(t)
const absentUri = `mongodb://127.0.0.1:${await freePort()}/read`

t.test('runs from its settings until SIGTERM', async (t) => {
  const { stored, stats, uri } = await freshReadStore(t)
  await stored.insertOne(user(1))
  await stats.insertOne(sums({ users: 1 }))
  const token = mint()
  const nats = await freshNats(t)
  const settings = { MONGODB_READ_URI: uri, JWKS_FILE: jwksFile, NATS_URL: nats.url }
  const { url, logs, metrics, terminate } = await startProcess(t, 'query-api', settings)

  t.match(await get(`${url}/healthz`), { status: 200, body: { status: 'ok' } })
  await eventually(async () => (await get(`${url}/readyz`)).body.status === 'ready')
  t.match(await get(`${url}/api/v1/users/${idOf(1)}`, token), { status: 200, body: { id: idOf(1) } })
  t.match(await get(`${url}/api/v1/users?limit=7`, token), { status: 200, body: { pagination: { total: 1 } } })
  for (const metric of ['query_user_cache_misses_total 1', 'nodejs_version_info']) t.match(await metrics(), metric)
  t.equal(await terminate(), 'exit code 0')

  t.match(logs[0], { level: 'info', service: 'query-api', time: /^\d{4}-\d\d-\d\dT.*Z$/ })
  t.match(
    logs.filter(({ msg }) => msg === 'request'),
    [
      { method: 'GET', route: '/api/v1/users/:id', status: 200 },
      { method: 'GET', route: '/api/v1/users', status: 200 },
    ],
  )
  t.notMatch(JSON.stringify(logs), new RegExp(`${idOf(1)}|limit=7|${token}|user-1@`), 'no personal data in the log')
})

t.test('starts and stops while its database is unavailable, and reports it', async (t) => {
  const { url, terminate } = await startProcess(t, 'query-api', { MONGODB_READ_URI: absentUri, JWKS_FILE: jwksFile })
  t.match(await get(`${url}/healthz`), { status: 200 })
  t.match(await get(`${url}/readyz`), { status: 503, body: { status: 'unready', checks: { mongodb: 'down' } } })
  t.equal(await terminate(), 'exit code 0')
})

t.test('serves queries while NATS is unavailable', async (t) => {
  const { uri } = await freshReadStore(t)
  const settings = { MONGODB_READ_URI: uri, JWKS_FILE: jwksFile, NATS_URL: `nats://127.0.0.1:${await freePort()}` }
  const { url, terminate } = await startProcess(t, 'query-api', settings)
  t.match(await get(`${url}/readyz`), { status: 200, body: { status: 'degraded', checks: { nats: 'down' } } })
  t.match(await get(`${url}/api/v1/users`, mint()), { status: 200 })
  t.equal(await terminate(), 'exit code 0')
})

t.test('serves queries while Redis is unavailable, and reports it', async (t) => {
  const { uri } = await freshReadStore(t)
  const nats = await freshNats(t)
  const redis = await freshRedis(t)
  const settings = { MONGODB_READ_URI: uri, JWKS_FILE: jwksFile, NATS_URL: nats.url, REDIS_URL: redis.url }
  const { url } = await startProcess(t, 'query-api', settings)
  await eventually(async () => (await get(`${url}/readyz`)).body.status === 'ready')
  await redis.server.kill()
  const isDegraded = { status: 200, body: { status: 'degraded', checks: { redis: 'down' } } }
  await eventually(async () => (await get(`${url}/readyz`)).body.status === 'degraded')
  t.match(await get(`${url}/readyz`), isDegraded)
  t.match(await get(`${url}/api/v1/users`, mint()), { status: 200 })
  await redis.server.start()
  await eventually(async () => (await get(`${url}/readyz`)).body.status === 'ready')
})

t.test('is not ready until the projector’s migrate has run, and reports what is missing', async (t) => {
  const { db, uri } = await freshDatabase(t)
  const { url, logs } = await startProcess(t, 'query-api', { MONGODB_READ_URI: uri, JWKS_FILE: jwksFile })
  await eventually(() => logs.some(({ missing }) => missing)) // also when nobody asks /readyz
  t.match(await get(`${url}/readyz`), {
    status: 503,
    body: {
      checks: { mongodb: 'up', collections: 'down' },
      missing: ['collection users_read_v1', 'collection user_directory_v2'],
    },
  })
  await db.createCollection('users_read_v1')
  const { name, key } = usersReadIndexes[0]
  await db.collection('users_read_v1').createIndex(key, { name })
  await eventually(async () => {
    const indexes = usersReadIndexes.slice(1).map(({ name }) => `index users_read_v1.${name}`)
    const missing = [...indexes, 'collection user_directory_v2']
    return isDeepStrictEqual((await get(`${url}/readyz`)).body.missing, missing)
  })
  await setUpReadStore(db)
  await eventually(async () => (await get(`${url}/readyz`)).status === 200)
  t.match(
    logs.filter(({ missing }) => missing),
    [{ level: 'error', missing: ['collection users_read_v1', 'collection user_directory_v2'] }],
  )
})

t.test('all invalid settings are reported together, without their values', async (t) => {
  const { line } = await refusedStart(t, { PORT: '80abc', LOG_LEVEL: 'loud', MONGODB_READ_URI: 'localhost/secret' })
  for (const name of ['PORT', 'LOG_LEVEL', 'MONGODB_READ_URI', 'JWKS_FILE is not set']) t.match(line, name)
  t.notMatch(line, /80abc|loud|secret/)
})

for (const [what, env, says] of [
  ['a missing JWKS file', { JWKS_FILE: join(dir, 'nowhere.json') }, 'nowhere.json'],
  ['an unreadable JWKS file', { JWKS_FILE: dir }, 'EISDIR'],
  ['a JWKS file that is not JSON', { JWKS_FILE: join(dir, 'hello.txt') }, 'hello.txt is not a JWKS'],
  ['a JWKS file without keys', { JWKS_FILE: join(dir, 'empty.json') }, 'empty.json is not a JWKS'],
  ['an invalid database URI', { MONGODB_READ_URI: 'mongodb://jane:secret@:x/read' }, 'MongoDB'],
  ['a URI without a database', { MONGODB_READ_URI: 'mongodb://jane:secret@host' }, 'with the name of the database'],
] as const) {
  t.test(`does not start with ${what}`, async (t) => {
    const { line } = await refusedStart(t, { MONGODB_READ_URI: presentUri, JWKS_FILE: jwksFile, ...env })
    t.match(line, says)
    t.notMatch(line, 'secret')
  })
}

t.test('does not start on a port in use', async (t) => {
  const other = createServer()
  await once(other.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const env = { HOST: '127.0.0.1', PORT: String(port), MONGODB_READ_URI: presentUri, JWKS_FILE: jwksFile }
  t.match((await refusedStart(t, env)).line, new RegExp(`EADDRINUSE.*${port}`))
})

/** Expects exit code 1 and one line on stderr, not a stack. */
async function refusedStart(t: Test, env: Record<string, string>) {
  const { stdout, stderr, code } = await runProgram('query-api', 'main.js', [], env)
  t.equal(code, 1)
  t.equal(stdout, '')
  t.match(stderr, /^[^\n]+\n$/)
  return { line: stderr }
}

async function get(url: string, token?: string) {
  const response = await fetch(url, token ? { headers: { authorization: `Bearer ${token}` } } : {})
  return { status: response.status, body: (await response.json()) as { status?: string; missing?: string[] } }
}
