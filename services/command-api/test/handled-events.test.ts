import { usersStream } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import { type ConsumerInfo, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { HandledEvents } from '../src/publishing/handled-events.ts'
import { startCommandApi } from './fixture.ts'

t.setTimeout(90_000)

t.test('an event leaves the stream when every consumer has handled it, and not before', async (t) => {
  const { consumers, handle, register, stream } = await start(t)
  await register(1)
  const filters = { all: 'users.>', registrations: 'users.*.created', deletions: 'users.*.deleted' }
  for (const [durable_name, filter_subject] of Object.entries(filters))
    await consumers.add(usersStream.name, { durable_name, filter_subject, ack_policy: 'explicit' })
  await register(2)
  await handle('all', 3)
  await handle('registrations', 1)
  // A consumer that no event concerns does not keep any.
  await eventually(async () => (await stream()).first_seq === 2)
  t.equal((await stream()).messages, 2, 'one consumer still needs the second')
  await handle('registrations', 2)
  await eventually(async () => (await stream()).messages === 1)
  t.equal((await stream()).first_seq, 3, 'the last one stays')
})

t.test('nothing leaves while the server does not list every consumer', async (t) => {
  const { connection, consumers, handle, register, stream } = await start(t)
  for (const durable_name of ['slow', 'quick'])
    await consumers.add(usersStream.name, { durable_name, ack_policy: 'explicit' })
  await register(2)
  await handle('quick', 2)
  const listed = (await consumers.list(usersStream.name).next()).filter(({ name }) => name === 'quick')
  t.equal(listed.length, 1)
  // As a server of a cluster answers while `slow` has no leader.
  t.intercept(Object.getPrototypeOf(consumers), 'list', { value: () => ({ next: async () => listed }) })
  await new HandledEvents().purge(connection)
  t.equal((await stream()).messages, 2)
})

t.test('nothing leaves that the stream has for a consumer, although its own server reports none', async (t) => {
  const { connection, consumers, handle, register, stream } = await start(t)
  for (const durable_name of ['behind', 'quick'])
    await consumers.add(usersStream.name, { durable_name, ack_policy: 'explicit' })
  // As from a server whose copy of the stream lacks the events.
  const prototype = Object.getPrototypeOf(consumers)
  const { list } = prototype
  const lying = async (lister: { next: () => Promise<ConsumerInfo[]> }) =>
    (await lister.next()).map((info) => ({ ...info, num_pending: 0 }))
  const value = (stream: string) => ({ next: () => lying(list.call(consumers, stream)) })
  t.intercept(prototype, 'list', { value })
  await register(2)
  await handle('quick', 2)
  t.match(await consumers.list(usersStream.name).next(), [{ num_pending: 0 }, { num_pending: 0 }])

  const handled = new HandledEvents()
  await handled.purge(connection)
  // Long after.
  const { now } = performance
  t.intercept(performance, 'now', { value: () => now.call(performance) + 60_000 })
  await handled.purge(connection)
  t.equal((await stream()).messages, 2)
})

t.test('nothing leaves a stream that came back older than a consumer', async (t) => {
  const { connection, consumers, register, stream } = await start(t)
  await consumers.add(usersStream.name, { durable_name: 'behind', ack_policy: 'explicit' })
  await register(2)
  const [listed] = await consumers.list(usersStream.name).next()
  const ack_floor = { consumer_seq: 9, stream_seq: 9 }
  const value = () => ({ next: async () => [{ ...listed, ack_floor }] })
  t.intercept(Object.getPrototypeOf(consumers), 'list', { value })
  await new HandledEvents().purge(connection)
  t.equal((await stream()).messages, 2)
})

t.test('nothing leaves because of somebody who looks, as with `nats stream view`', async (t) => {
  const { connection, consumers, register, stream } = await start(t)
  await register(2)
  const { name } = await consumers.add(usersStream.name, { ack_policy: 'none' })
  const looking = await jetstream(connection).consumers.get(usersStream.name, name)
  for (let seen = 0; seen < 2; seen++) t.ok(await looking.next({ expires: 5_000 }))
  await new HandledEvents().purge(connection)
  t.equal((await stream()).messages, 2)
})

/** A command-api, what it has published, and who receives it. */
async function start(t: Test) {
  const { nats, newUser, published } = await startCommandApi(t)
  const connection = await connect({ servers: nats.url })
  t.teardown(() => connection.close())
  const { streams, consumers } = await jetstreamManager(connection)
  return {
    connection,
    consumers,
    stream: async () => (await streams.info(usersStream.name)).state,
    register: async (count: number) => {
      for (let n = 0; n < count; n++) await published((await newUser()).user.id, 'created')
    },
    handle: async (durable: string, count: number) => {
      const consumer = await jetstream(connection).consumers.get(usersStream.name, durable)
      for (let handled = 0; handled < count; handled++) await (await consumer.next({ expires: 5_000 }))?.ackAck()
    },
  }
}
