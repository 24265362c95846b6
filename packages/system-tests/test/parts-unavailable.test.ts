import { isDeepStrictEqual } from 'node:util'
import type { ChildServer } from '@cqrs/local-stack'
import { eventually } from '@cqrs/local-stack/testing'
import { MongoClient } from 'mongodb'
import t from 'tap'
import { type System, startSystem } from './system.ts'

t.setTimeout(400_000)
const admin = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'correct horse' }
const system = await startSystem(t, { 'command-api': admin }, { ownServers: true })
const { send, newUser, servers, baseUrl } = system
const { id, token } = await newUser()
const get = (userId: string) => send('GET', `/api/v1/users/${userId}`, undefined, token)
const list = () => send('GET', '/api/v1/users', undefined, token)
const rename = (name: string) => send('PUT', `/api/v1/users/${id}`, { name, roles: ['buyer'] }, token)
await eventually(async () => (await get(id)).status === 200)

/** What is tried with each part: a fault, and its end. Nothing else is restarted. */
const faults = {
  dies: { begin: (server: ChildServer) => server.kill(), end: (server: ChildServer) => server.start() },
  // Its connections stay open, and nobody answers.
  hangs: {
    begin: async ({ pid }: ChildServer) => process.kill(pid as number, 'SIGSTOP'),
    end: async ({ pid }: ChildServer) => process.kill(pid as number, 'SIGCONT'),
  },
}

const parts = [
  { name: 'nats', commands: true, queries: true },
  { name: 'projector', commands: true, queries: true },
  { name: 'mail', commands: true, queries: true },
  { name: 'mongodb-read', commands: true, queries: false },
  { name: 'query-api', commands: true, queries: false },
  { name: 'mongodb', commands: false, queries: true },
  { name: 'command-api', commands: false, queries: true },
] as const

for (const { name, commands, queries } of parts) {
  for (const [fault, { begin, end }] of Object.entries(faults)) {
    const what = `commands ${commands ? 'work' : 'are refused'}, queries ${queries ? 'work' : 'are refused'}`
    t.test(`${name} ${fault}: ${what}`, async (t) => {
      const server = servers[name]
      if (!server) throw new Error(`${name} is not ours to take away`)
      await begin(server)
      const command = await rename(`while ${name} ${fault}`)
      t.equal(command.status, commands ? 200 : 503)
      if (command.status === 500) t.comment(system.logs.filter((line) => line.includes('request failed')))
      // A list is never answered from the cache, unlike a user by id.
      t.equal((await list()).status, queries ? 200 : 503)
      if (!commands) t.match(command.body.code, /^(storage-unavailable|upstream-unavailable|overloaded)$/)
      // A missing mail server is noticed only when the next e-mail is due.
      if (name === 'mail') await t.rejects(fetch(system.mailUrl, { signal: AbortSignal.timeout(1_000) }))
      else await eventually(async () => (await fetch(`${baseUrl}/healthz`)).status === 503)

      await end(server)
      await eventually(async () => (await fetch(`${baseUrl}/healthz`)).status === 200)
      if (commands) await eventually(async () => (await get(id)).body.name === `while ${name} ${fault}`)
      await eventually(async () => isDeepStrictEqual(await readSide(system), await writeSide(system)), {
        timeoutMs: 20_000,
      })
      t.pass('nothing is lost')
    })
  }
}

const query = (userId: string, as: string) => send('GET', `/api/v1/users/${userId}`, undefined, as)
const remove = (user: { id: string; token: string }) =>
  send('DELETE', `/api/v1/users/${user.id}`, undefined, user.token)

t.test('after a kill, query-api refuses revoked tokens from its first response', async (t) => {
  const logIn = { email: admin.ADMIN_EMAIL, password: admin.ADMIN_PASSWORD }
  const { accessToken: adminToken } = (await send('POST', '/api/v1/auth/login', logIn)).body
  const [before, late, untouched] = [await newUser(), await newUser(), await newUser()]
  await send('POST', `/api/v1/users/${before.id}/deactivate`, undefined, adminToken)
  await eventually(async () => (await query(before.id, before.token)).status === 401)
  await servers['query-api'].kill()
  await remove(late)
  await servers['query-api'].start()
  const startedAt = performance.now()
  t.equal((await query(before.id, before.token)).status, 401)
  // The projector may still be applying the last one.
  await eventually(async () => (await query(late.id, late.token)).status === 401)
  t.comment(`after a restart with kill -9: ${(performance.now() - startedAt).toFixed(1)} ms to the first refusal`)
  t.equal((await query(untouched.id, untouched.token)).status, 200)
})

// The last one: the write side stays down.
t.test('query-api starts and refuses revoked tokens while the write side is unavailable', async (t) => {
  const [gone, stays] = [await newUser(), await newUser()]
  await remove(gone)
  await eventually(async () => (await query(gone.id, gone.token)).status === 401)
  const away = ['command-api', 'nats', 'mongodb', 'query-api'] as const
  for (const name of away) await servers[name]?.kill()
  await servers['query-api'].start()
  t.match(await query(gone.id, gone.token), { status: 401, body: { code: 'token-revoked' } })
  t.match(await query(stays.id, stays.token), { status: 200 })
})

async function writeSide({ uris }: System) {
  return rows(uris.write, 'users')
}

async function readSide({ uris }: System) {
  return rows(uris.read, 'users_read_v1')
}

async function rows(uri: string, collection: string) {
  const client = new MongoClient(uri)
  try {
    const projection = { name: 1, email: 1, roles: 1, isActive: 1, version: 1, createdAt: 1, updatedAt: 1 }
    return await client.db().collection(collection).find({}, { projection }).sort({ _id: 1 }).toArray()
  } finally {
    await client.close()
  }
}
