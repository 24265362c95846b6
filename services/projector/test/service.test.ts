import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { usersStream } from '@cqrs/contracts'
import { eventually, freshDatabase, freshMail, freshNats } from '@cqrs/local-stack/testing'
import { createLogger, type NatsLink, parseConfig } from '@cqrs/service-kit'
import { type ConsumerInfo, jetstreamManager } from '@nats-io/jetstream'
import t, { type Test } from 'tap'
import { Config } from '../src/config.ts'
import { ConsumerProgress } from '../src/consuming/consumer-progress.ts'
import { PausedConsumers } from '../src/consuming/paused-consumers.ts'
import { createResources } from '../src/resources.ts'
import { createProjector } from '../src/service.ts'
import { brokerAt } from './fixtures/broker.ts'
import { created, userId } from './fixtures/user-events.ts'

t.test('a projector that is not started connects to nothing, and closes', async (t) => {
  const server = await countingServer(t)
  const { app, close } = await create({
    MONGODB_READ_URI: `mongodb://127.0.0.1:${server.port}/read`,
    NATS_URL: `nats://127.0.0.1:${server.port}`,
    SMTP_URL: `smtp://127.0.0.1:${server.port}`,
  })
  await app.ready()
  await close()
  t.equal(await server.connections(), 0)
})

t.test('one process can run two projectors, and report the lag of both', async (t) => {
  const settings = await freshSystem(t)
  const projectors = [await create(settings.env), await create(settings.env)]
  for (const projector of projectors) await projector.start()
  const [first, second] = projectors as [(typeof projectors)[0], (typeof projectors)[0]]

  await settings.broker.publish(created(1))
  await eventually(() => settings.users.findOne({ _id: userId(1) }).then(Boolean))
  const lag = async ({ app }: typeof first) =>
    (await app.inject('/metrics')).body.match(/^projector_lag_messages\{consumer="users_read_v1"\} (\S+)$/m)?.[1]
  await eventually(async () => (await lag(first)) === '0')
  await first.close()
  t.equal(await lag(second), '0', 'closing one leaves the metrics of the other')
  t.equal((await second.app.inject('/readyz')).json().status, 'ready')
  await second.close()
})

t.test('events that wait are reported although the consumer counts none, and its leader changes', async (t) => {
  const { broker, db, env } = await freshSystem(t)
  const projector = await create(env)
  t.teardown(() => projector.close())
  await projector.start()
  const { consumers } = await jetstreamManager(broker.nats)
  // As from a server whose copy of the stream lacks the events.
  const prototype = Object.getPrototypeOf(consumers)
  const { info } = prototype
  const lying = async (about: Promise<ConsumerInfo>) => ({ ...(await about), num_pending: 0 })
  const value = (stream: string, durable: string) => lying(info.call(consumers, stream, durable))
  t.intercept(prototype, 'info', { value })
  const stepDowns = broker.nats.subscribe('$JS.API.CONSUMER.LEADER.STEPDOWN.>')
  await new PausedConsumers(db).add('users_read_v1', 3_600_000)
  await consumers.pause(usersStream.name, 'users_read_v1', new Date(Date.now() + 3_600_000))
  await broker.publish(created(1))

  const { reasons } = await eventually(async () => {
    const answer = (await projector.app.inject('/readyz')).json()
    return answer.checks.events === 'down' && answer
  })
  t.strictSame(reasons, ['consumer USERS.users_read_v1: events wait, and none is delivered'])
  for await (const { subject } of stepDowns) {
    t.equal(subject, '$JS.API.CONSUMER.LEADER.STEPDOWN.USERS.users_read_v1')
    break
  }
  const progress = new ConsumerProgress({ connection: () => broker.nats } as NatsLink)
  t.equal(await progress.hasCaughtUp('users_read_v1', 300), false)
  t.equal(await progress.hasCaughtUp('user_stats_v1', 5_000), true)
})

const create = (env: NodeJS.ProcessEnv) =>
  createProjector(parseConfig(Config, { HOST: '127.0.0.1', PORT: '0', ...env }), {
    logger: createLogger('test', 'silent'),
  })

/** A database, a broker and a mail server that are set up. */
async function freshSystem(t: Test) {
  const [{ db, uri }, nats, mail] = await Promise.all([freshDatabase(t), freshNats(t), freshMail(t)])
  const broker = await brokerAt(t, nats.url)
  await createResources(db, broker.nats, 1)
  const users = db.collection<{ _id: string }>('users_read_v1')
  return { broker, db, users, env: { MONGODB_READ_URI: uri, NATS_URL: nats.url, SMTP_URL: mail.url } }
}

/** A TCP server that answers nothing. `connections` tells how many have come, all before the call included. */
async function countingServer(t: Test) {
  let count = 0
  const server = createServer((socket) => {
    count += 1
    socket.on('error', () => {}).destroy()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return {
    port,
    async connections() {
      // The system accepts in order: when this one has come, so have all that were made earlier.
      const own = connect(port, '127.0.0.1').on('error', () => {})
      await once(own, 'close')
      return count - 1
    },
  }
}
