import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { deliveries, startSystem } from './fixtures/system.ts'
import { updated } from './fixtures/user-events.ts'

const { broker, projector, replica, users } = await startSystem(t)
const numbers = Array.from({ length: 3_000 }, (_, n) => n)
// Updates, because each registration sends a mail as well.
const publishAll = (version: number) => broker.publish(...numbers.map((n) => updated(n, version)))
const visible = (version: number) => users.countDocuments({ version })

t.test('a projector that is stopped under load leaves no message unacknowledged, and another continues', async (t) => {
  await publishAll(1)
  await eventually(async () => (await visible(1)) > 0)
  await projector.server.stop()

  const { ack_floor, num_ack_pending, num_pending } = await broker.consumer('users_read_v1')
  t.equal(num_ack_pending, 0)
  t.ok(num_pending > 0, `it stopped under load, with ${num_pending} events to go`)
  t.equal(await visible(1), ack_floor.stream_seq, 'what it acknowledged is what it wrote')

  const successor = await replica()
  await eventually(async () => (await visible(1)) === numbers.length)
  await eventually(() => deliveries(projector.logs) + deliveries(successor.logs) >= numbers.length)
  t.equal(deliveries(projector.logs) + deliveries(successor.logs), numbers.length, 'each event was delivered once')
  await successor.server.stop()
})

t.test('replicas share the events', async (t) => {
  const replicas = [await replica(), await replica()]
  const shares = () => replicas.map(({ logs }) => deliveries(logs))
  const sum = () => shares().reduce((sum, share) => sum + share)
  await publishAll(2)
  await eventually(async () => (await visible(2)) === numbers.length)
  await eventually(() => sum() >= numbers.length)
  t.equal(sum(), numbers.length, 'each event was delivered once')
  t.ok(Math.min(...shares()) > 0, `their shares are ${shares().join(' and ')}`)
})
