import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startNats } from '@cqrs/local-stack'
import { eventually, freePort, freshDirectory } from '@cqrs/local-stack/testing'
import t from 'tap'
import { brokerAt } from './fixtures/broker.ts'
import { startSystem } from './fixtures/system.ts'
import { created, updated } from './fixtures/user-events.ts'

t.test('NATS is killed under load and comes back: the projector continues without a restart', async (t) => {
  const { broker, nats, projector, users } = await startSystem(t)
  // At most what a projector holds: the server could die while it sends others, and would redeliver them after 10 s.
  const events = Array.from({ length: 900 }, (_, n) => updated(n, 2))
  await broker.publish(...events)
  await eventually(async () => (await users.countDocuments()) > 0)

  await nats.server.kill()
  await eventually(async () => (await projector.get('/readyz')).body.checks.nats === 'down')
  t.match(await projector.get('/readyz'), { status: 503, body: { status: 'unready' } })
  t.match(await projector.get('/healthz'), { status: 200 })

  await nats.server.start()
  await eventually(async () => (await users.countDocuments()) === events.length)
  await eventually(async () => (await projector.get('/readyz')).status === 200)
})

t.test('NATS comes back without its data: the projector recreates streams and consumers', async (t) => {
  const dataDir = await freshDirectory(t)
  const wiped = await startNats({ dataDir, logDir: dataDir, port: await freePort() })
  t.teardown(() => wiped.server.stop())
  const { projector, visible } = await startSystem(t, { NATS_URL: wiped.url })
  await (await brokerAt(t, wiped.url)).publish(created(1))
  await visible(1, 1)

  await wiped.server.kill()
  await rm(join(dataDir, 'jetstream'), { recursive: true })
  await wiped.server.start()
  await (await brokerAt(t, wiped.url)).publish(created(2))
  t.ok(await visible(2, 1))
  await eventually(async () => (await projector.get('/readyz')).status === 200)
})
