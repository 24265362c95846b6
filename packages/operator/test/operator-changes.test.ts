import { eventually, freshDatabase } from '@cqrs/local-stack/testing'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { tunnelTo } from '../../../services/projector/test/fixtures/tunnel.ts'
import { updated } from '../../../services/projector/test/fixtures/user-events.ts'
import { deliveries, startSystem } from './fixtures/system.ts'

// Both mostly wait, for redeliveries and until a lack of progress counts.
t.jobs = 2

t.test('an operator limits the deliveries: the limit is removed, and no event is lost', async (t) => {
  const database = await freshDatabase(t)
  const tunnel = await tunnelTo(t, database.uri)
  const { broker, projector, visible } = await startSystem(t, { MONGODB_READ_URI: tunnel.uri }, database)
  await eventually(async () => (await projector.get('/readyz')).body.status === 'ready')

  const { consumers } = await jetstreamManager(broker.nats)
  const changed = await consumers.update('USERS', 'users_read_v1', { max_deliver: 3 })
  t.equal(changed.config.max_deliver, 3)
  await eventually(async () => (await broker.consumer('users_read_v1')).config.max_deliver === -1)
  const drifted = ['consumer USERS.users_read_v1: max_deliver is 3']
  t.match(
    projector.logs.filter(({ msg }) => msg === 'streams or consumers were changed; restoring their configuration'),
    [{ drifted }],
  )

  tunnel.cut()
  await broker.publish(updated(1, 2))
  await eventually(() => deliveries(projector.logs) === 1)
  // It hands the event back, as do those that follow.
  await projector.server.stop()
  for (const delivery of [2, 3, 4]) {
    const message = await broker.next('users_read_v1', { expires: 5_000 })
    t.equal(message?.info.deliveryCount, delivery)
    message?.nak()
  }
  await tunnel.open()
  await projector.server.start()
  t.ok(await visible(1, 2))
})

/** Everybody but the operator may publish to all but one subject. */
const users = (denied: string) =>
  `authorization { users: [
  { user: "operator", password: "secret" }
  { user: "any", password: "any", permissions: { publish: { deny: ["${denied}"] } } }
] }
no_auth_user: "any"
`

t.test('what the broker does not let the projector restore is reported, and events wait', async (t) => {
  const { broker, nats, projector, visible } = await startSystem(t)
  // A server does not accept a new `no_auth_user` while it runs.
  await nats.reconfigure(users('nothing'))
  await nats.server.restart()
  await eventually(async () => (await projector.get('/readyz')).body.status === 'ready')
  await nats.reconfigure(users('$JS.API.CONSUMER.PAUSE.>'))
  await eventually(async () => (await nats.log()).includes('Reloaded server configuration'))

  const operator = await connect({ servers: nats.url, user: 'operator', pass: 'secret' })
  t.teardown(() => operator.close())
  const { consumers } = await jetstreamManager(operator)
  await consumers.pause('USERS', 'users_read_v1', new Date(Date.now() + 3_600_000))
  await broker.publish(updated(1, 2))
  const { body } = await eventually(async () => {
    const answer = await projector.get('/readyz')
    const { configuration, events } = answer.body.checks
    return configuration === 'down' && events === 'down' && answer.body.status === 'unready' && answer
  })
  t.match(body, {
    status: 'unready',
    checks: { 'read model': 'down', nats: 'up', streams: 'up' },
    reasons: [
      'consumer USERS.users_read_v1: it is paused',
      'consumer USERS.users_read_v1: events wait, and none is delivered',
    ],
  })
  t.match(await projector.metrics(), /^projector_lag_messages\{consumer="users_read_v1"\} 1$/m)

  await nats.reconfigure(users('nothing'))
  t.ok(await eventually(() => visible(1, 2)))
  await eventually(async () => (await projector.get('/readyz')).body.status === 'ready')
})

t.test('a consumer that an operator pauses stays paused until it is resumed', async (t) => {
  const { broker, cli, projector, visible } = await startSystem(t)
  await eventually(async () => (await projector.get('/readyz')).body.status === 'ready')
  const until = /^users_read_v1: paused until 20\d\d-\d\d-\d\dT/
  t.match(await cli('pause', 'users_read_v1', '--minutes', '5'), { code: 0, stdout: until })
  await broker.publish(updated(1, 2))
  await broker.allHandledBy('user_stats_v1')
  // The projector has looked at the consumers since: it reports that events wait, and restores nothing.
  await eventually(async () => (await projector.get('/readyz')).body.checks.events === 'down')
  await projector.server.restart()
  await eventually(async () => (await projector.get('/readyz')).body.checks.events === 'down')
  t.ok((await broker.consumer('users_read_v1')).paused)
  t.equal((await broker.consumer('users_read_v1')).ack_floor.stream_seq, 0)
  t.match(await cli('--json', 'resume', 'users_read_v1'), { code: 0, stdout: '{"consumer":"users_read_v1"}\n' })
  t.ok(await visible(1, 2))
  t.notOk(projector.logs.some(({ msg }) => /were changed; restoring/.test(String(msg))))
})

t.test('a consumer whose events cannot be fetched is named, with the reason', async (t) => {
  const { nats, projector } = await startSystem(t)
  await nats.reconfigure(users('nothing'))
  await nats.server.restart()
  await eventually(async () => (await projector.get('/readyz')).body.status === 'ready')
  await nats.reconfigure(users('$JS.API.CONSUMER.MSG.NEXT.USERS.users_read_v1'))
  const { body } = await eventually(
    async () => {
      const answer = await projector.get('/readyz')
      return answer.body.checks.events === 'down' && answer.body.checks.nats === 'up' && answer
    },
    { timeoutMs: 60_000 },
  )
  t.match(body, { status: 'unready', checks: { 'read model': 'down' } })
  t.match(body.reasons, [/^consumer USERS\.users_read_v1: events cannot be fetched: \w+: ./])
  t.equal(body.reasons?.length, 1)
  await nats.reconfigure(users('nothing'))
  await eventually(async () => (await projector.get('/readyz')).body.status === 'ready')
})
