import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { UserReadDocument } from '@cqrs/contracts'
import { eventually, freePort, freshDatabase } from '@cqrs/local-stack/testing'
import t, { type Test } from 'tap'
import { queryApiOn, setUpReadStore } from './fixtures/query-api.ts'
import { idOf, user } from './fixtures/users.ts'

// They mostly wait, for the next look at the database.
t.jobs = 4

const queries = [
  `/api/v1/users/${idOf(1)}`,
  '/api/v1/users',
  '/api/v1/users/by-role/buyer',
  '/api/v1/stats/users',
  '/api/v1/directory/users',
]

t.test('nothing listens on the port of the database', async (t) => {
  await expectStorageUnavailable(t, await queryApiOn(t, `mongodb://127.0.0.1:${await freePort()}/read`))
})

t.test('the database accepts connections and never answers', async (t) => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket))
  const port = await listen(server, 0)
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await expectStorageUnavailable(t, await queryApiOn(t, `mongodb://127.0.0.1:${port}/read`))
})

t.test('the database is unavailable at startup, becomes available, is lost, and returns', async (t) => {
  const { db, uri } = await freshDatabase(t)
  await setUpReadStore(db)
  await db.collection<UserReadDocument>('users_read_v1').insertOne(user(1))
  const throughTunnel = new URL(uri)
  throughTunnel.port = String(await freePort())
  // Or the driver would connect to the addresses of the replica set's members.
  throughTunnel.searchParams.delete('replicaSet')
  throughTunnel.searchParams.set('directConnection', 'true')
  const { cut, restore } = tunnel(Number(throughTunnel.port), Number(new URL(uri).port))
  t.teardown(cut)
  const api = await queryApiOn(t, throughTunnel.href)

  for (const round of ['becomes available', 'returns']) {
    await expectStorageUnavailable(t, api)
    await restore()
    for (const url of ['/readyz', ...queries]) {
      t.ok(
        await eventually(async () => (await api.get(url)).status === 200),
        `${url} answers when the database ${round}`,
      )
    }
    await cut()
  }
})

t.test('the database takes away the rights of query-api, and gives them back', async (t) => {
  const { db, name, uri } = await freshDatabase(t)
  await setUpReadStore(db)
  await db.collection<UserReadDocument>('users_read_v1').insertOne(user(1))
  const roles = [{ role: 'read', db: name }]
  await db.command({ createUser: 'reader', pwd: 'reader', roles })
  t.teardown(() => db.command({ dropUser: 'reader' }))
  const asReader = new URL(uri)
  asReader.username = asReader.password = 'reader'
  asReader.searchParams.set('authSource', name)
  const api = await queryApiOn(t, asReader.href)
  const becomes = (status: number) => eventually(async () => (await api.get('/readyz')).status === status)
  await becomes(200)
  await db.command({ updateUser: 'reader', roles: [] })
  await becomes(503)
  await expectStorageUnavailable(t, api)
  await db.command({ updateUser: 'reader', roles })
  await becomes(200)
  for (const url of queries) t.equal((await api.get(url)).status, 200, url)
})

async function expectStorageUnavailable(t: Test, { get }: Awaited<ReturnType<typeof queryApiOn>>) {
  const [alive, ready, ...answers] = await Promise.all(['/healthz', '/readyz', ...queries].map((url) => get(url)))
  t.match(alive, { status: 200, body: { status: 'ok' } })
  t.match(ready, { status: 503, body: { status: 'unready', checks: { mongodb: 'down' } } })
  for (const { status, headers, body } of answers) {
    t.equal(status, 503)
    t.match(headers, { 'content-type': /^application\/problem\+json/, 'retry-after': /^[1-9]\d*$/ })
    t.match(body, { code: 'storage-unavailable' })
    t.notMatch(JSON.stringify(body), /Mongo|ECONNREFUSED|127\.0\.0\.1/)
  }
}

/** Forwards connections from one port of 127.0.0.1 to another until it is cut. */
function tunnel(from: number, to: number) {
  const sockets = new Set<Socket>()
  let server: Server | undefined
  return {
    async cut() {
      server?.close()
      for (const socket of sockets) socket.destroy()
    },
    async restore() {
      server = createServer((near) => {
        const far = connect(to, '127.0.0.1')
        for (const socket of [near, far]) sockets.add(socket.on('error', () => {}))
        near.pipe(far).pipe(near)
      })
      await listen(server, from)
    },
  }
}

async function listen(server: Server, port: number): Promise<number> {
  await once(server.listen(port, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}
