import { eventually, freshDatabase } from '@cqrs/local-stack/testing'
import t from 'tap'
import { deliveries, startSystem } from './fixtures/system.ts'
import { tunnelTo } from './fixtures/tunnel.ts'
import { updated } from './fixtures/user-events.ts'

const database = await freshDatabase(t)
const tunnel = await tunnelTo(t, database.uri)
const { broker, projector, replica, users, visible } = await startSystem(t, { MONGODB_READ_URI: tunnel.uri }, database)
const messages = () => projector.logs.filter(({ consumer }) => consumer === 'users_read_v1').map(({ msg }) => msg)
/** How often the projector has tried to handle a batch. */
const handled = async () =>
  Number((await projector.metrics()).match(/^projector_batch_events_count\{consumer="users_read_v1"\} (\d+)$/m)?.[1])

t.test('without its database the projector keeps its events, reports it, and recovers by itself', async (t) => {
  await broker.publish(updated(0, 2))
  await visible(0, 2)

  tunnel.cut()
  const events = Array.from({ length: 1_500 }, (_, n) => updated(n + 1, 2))
  await broker.publish(...events)
  const unready = await eventually(async () => {
    const answer = await projector.get('/readyz')
    return answer.body.checks['read model'] === 'down' && answer
  })
  t.match(unready, { status: 503, body: { checks: { mongodb: 'down', 'read model': 'down', nats: 'up' } } })
  t.match(await projector.get('/healthz'), { status: 200 })
  const attempts = await handled()
  await eventually(async () => (await handled()) >= attempts + 3)
  const { num_ack_pending } = await broker.consumer('users_read_v1')
  t.ok(num_ack_pending <= 1_000, `it holds at most two batches while it retries: ${num_ack_pending} events`)

  await tunnel.open()
  await eventually(async () => (await users.countDocuments()) === events.length + 1)
  await eventually(async () => (await projector.get('/readyz')).status === 200)
  await eventually(() => messages().includes('events are handled again'))
  t.strictSame(
    messages(),
    ['cannot handle events; keeping them to retry', 'events are handled again'],
    'it is logged once',
  )
  t.equal(deliveries(projector.logs), events.length + 1, 'each event was delivered once')
})

t.test('a projector that is stopped while the database is unavailable hands its events back', async (t) => {
  tunnel.cut()
  const handledBefore = messages().length
  await broker.publish(updated(0, 3))
  await eventually(() => messages().length > handledBefore)
  await projector.server.stop()

  // Kept, they would be delivered again only when the server has not heard of them for 10 s.
  const handedBack = await broker.next('users_read_v1', { expires: 2_000 })
  t.equal(handedBack?.info.deliveryCount, 2)
  handedBack?.nak()

  await tunnel.open()
  await replica()
  t.ok(await visible(0, 3))
})
