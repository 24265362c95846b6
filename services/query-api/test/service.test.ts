import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { freePort, freshRedis } from '@cqrs/local-stack/testing'
import { createLogger, generateKeyFiles, parseConfig } from '@cqrs/service-kit'
import type { Db, Document } from 'mongodb'
import t from 'tap'
import { Config } from '../src/config.ts'
import { createQueryApi } from '../src/service.ts'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, user } from './fixtures/users.ts'

t.test('a service that was never started connects to nothing and closes', async (t) => {
  const { jwksFile } = await generateKeyFiles(t.testdir())
  const redis = await freshRedis(t)
  const lines: string[] = []
  const logger = createLogger('query-api', 'info', { write: (line) => void lines.push(line) })
  const port = await freePort()
  const config = parseConfig(Config, {
    MONGODB_READ_URI: `mongodb://127.0.0.1:${port}/read`,
    NATS_URL: `nats://127.0.0.1:${port}`,
    REDIS_URL: redis.url,
    JWKS_FILE: jwksFile,
  })
  const { app, close } = await createQueryApi(config, { logger })
  t.ok(app.hasRoute({ method: 'GET', url: '/api/v1/users/:id' }))
  await close()
  t.strictSame(lines, [])
})

t.test('the service listens after its first attempt to connect to the database', async (t) => {
  const { jwksFile } = await generateKeyFiles(t.testdir())
  const hanging = createServer((socket) => t.teardown(() => socket.destroy()))
  await once(hanging.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => hanging.close())
  const config = parseConfig(Config, {
    HOST: '127.0.0.1',
    PORT: '0',
    MONGODB_READ_URI: `mongodb://127.0.0.1:${(hanging.address() as AddressInfo).port}/read`,
    NATS_URL: `nats://127.0.0.1:${await freePort()}`,
    JWKS_FILE: jwksFile,
  })
  const { app, start, close } = await createQueryApi(config, { logger: createLogger('query-api', 'silent') })
  t.teardown(close)
  const connecting = once(hanging, 'connection')
  const starting = start()
  await connecting
  t.notOk(app.server.listening, 'a client that finds it listening gets an answer')
  await starting
  t.ok(app.server.listening, 'it does not wait for ever')
})

t.test('READ_PREFERENCE decides which members are read', async (t) => {
  for (const [preference, modes] of [
    ['primary', [undefined]],
    ['secondaryPreferred', ['secondaryPreferred', 'primaryPreferred']],
  ] as const) {
    const { db, get, stored } = await startQueryApi(t, { timeoutMs: 0, settings: { READ_PREFERENCE: preference } })
    await stored.insertOne(user(1))
    const answers = await profiled(db, async () => {
      // Where members can lag, an unknown version is looked for on the primary as well.
      t.match(await get(`/api/v1/users/${idOf(1)}`), { status: 200 })
      t.match(await get(`/api/v1/users/${idOf(2)}`, { 'x-min-version': '1' }), { status: 503 })
    })
    t.strictSame([...new Set(answers.map(({ command }) => command.$readPreference?.mode))], modes)
  }
})

/** The look-ups by id that the database executes during a call. */
async function profiled(db: Db, call: () => Promise<void>): Promise<Document[]> {
  await db.command({ profile: 2 })
  await call()
  await db.command({ profile: 0 })
  return db
    .collection('system.profile')
    .find({ 'command.filter._id.$in': { $exists: true } })
    .toArray()
}
