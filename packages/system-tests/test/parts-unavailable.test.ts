import { eventually } from '@cqrs/local-stack/testing'
import { MongoClient } from 'mongodb'
import t from 'tap'
import { type System, startSystem } from './system.ts'

const system = await startSystem(t, {}, { ownDatabases: true })
const { send, newUser, servers, baseUrl } = system
const { id, token } = await newUser()
const get = (userId: string) => send('GET', `/api/v1/users/${userId}`, undefined, token)
const list = () => send('GET', '/api/v1/users', undefined, token)
const rename = (name: string) => send('PUT', `/api/v1/users/${id}`, { name, roles: ['buyer'] }, token)
await eventually(async () => (await get(id)).status === 200)

/** Each part is killed with SIGKILL, the system is tried with a command and a query, and the part is restarted. */
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
  t.test(
    `${name} unavailable: commands ${commands ? 'work' : 'are refused'}, queries ${queries ? 'work' : 'are refused'}`,
    async (t) => {
      const server = servers[name]
      if (!server) throw new Error(`${name} is not ours to take away`)
      await server.kill()
      const command = await rename(`while ${name} is unavailable`)
      t.equal(command.status, commands ? 200 : 503)
      // A list is never answered from the cache, unlike a user by id.
      t.equal((await list()).status, queries ? 200 : 503)
      if (!commands) t.match(command.body.code, /^(storage|upstream)-unavailable$/)
      // A missing mail server is noticed only when the next e-mail is due.
      if (name !== 'mail') t.equal((await fetch(`${baseUrl}/healthz`)).status, 503, 'the gateway reports it')

      await server.start()
      await eventually(async () => (await fetch(`${baseUrl}/healthz`)).status === 200, { timeoutMs: 20_000 })
      if (commands)
        await eventually(async () => (await get(id)).body.name === `while ${name} is unavailable`, {
          timeoutMs: 20_000,
        })
      t.strictSame(await readSide(system), await writeSide(system), 'nothing is lost')
    },
  )
}

async function writeSide({ uris }: System) {
  return rows(uris.write, 'users')
}

async function readSide({ uris }: System) {
  return rows(uris.read, 'users_read')
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
