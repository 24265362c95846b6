import { usersStream } from '@cqrs/contracts'
import { eventually, valueIn } from '@cqrs/local-stack/testing'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t, { RATE_LIMIT_REFRESH: '2' })
const { metric, metrics, nats, newUser, send } = api
const is = (series: string, value: number | undefined) => eventually(async () => (await metric(series)) === value)
const requests = (path: string, status: number) =>
  `http_server_request_duration_seconds_count{http_request_method="POST",http_route="/api/v1/auth/${path}",` +
  `http_response_status_code="${status}"}`

t.test('what can be counted is there from the start, as 0', async (t) => {
  await is('nats_up', 1)
  const text = await metrics()
  for (const series of [
    ...['register', 'log-in', 'refresh', 'change'].map((limit) => `rate_limited_total{limit="${limit}"}`),
    ...['success', 'failure'].map((outcome) => `audit_events_total{action="log-in",outcome="${outcome}"}`),
    ...[200, 400, 401, 429, 503].map((status) => requests('login', status)),
    'nats_reconnects_total',
    'outbox_crowded_users',
    'outbox_publish_duration_seconds_count',
    'password_hash_queue_length',
    'password_hash_refused_total',
    'password_hash_wait_seconds_count',
    'stream_bytes{stream="USERS"}',
    'stream_bytes{stream="USERS_DLQ"}',
  ])
    t.equal(valueIn(text, series), 0, series)
  t.equal(valueIn(text, 'stream_max_bytes{stream="USERS"}'), Number.POSITIVE_INFINITY)
  t.equal(valueIn(text, 'stream_max_bytes{stream="USERS_DLQ"}'), 64 * 2 ** 20)
  t.match(text, /^build_info\{service="command-api",version="\d+\.\d+\.\d+"\} 1$/m)
  for (const check of ['mongodb', 'collections', 'nats', 'streams', 'outbox'])
    await is(`health_check_up{check="${check}"}`, 1)
})

t.test('a registration, a login and a refused one', async (t) => {
  const { email } = await newUser()
  t.equal((await send('POST', '/api/v1/auth/login', { email, password: 'wrong password' })).status, 401)
  for (const [path, status] of [
    ['register', 201],
    ['login', 200],
    ['login', 401],
  ] as const)
    t.equal(await metric(requests(path, status)), 1, `${path} ${status}`)
  for (const outcome of ['success', 'failure'])
    t.equal(await metric(`audit_events_total{action="log-in",outcome="${outcome}"}`), 1)
  t.ok(Number(await metric('password_hash_wait_seconds_count')) >= 3)
  await is('outbox_publish_duration_seconds_count', 1)
  t.ok(Number(await metric('stream_bytes{stream="USERS"}')) > 0)
  for (const time of ['use', 'wait']) t.ok(Number(await metric(`db_client_connection_${time}_time_seconds_count`)) > 0)
  t.equal(await metric('db_client_connection_max'), 100)
  t.ok(await metric('db_client_connection_count{state="idle"}'))
  t.notMatch(await metrics(), email)
})

t.test('a client over its limit', async (t) => {
  const refreshToken = 'x'.repeat(43)
  for (const status of [401, 401, 429])
    t.equal((await send('POST', '/api/v1/auth/refresh', { refreshToken })).status, status)
  t.equal(await metric('rate_limited_total{limit="refresh"}'), 1)
  t.equal(await metric('rate_limited_total{limit="log-in"}'), 0)
  t.equal(await metric('audit_events_total{action="refresh",outcome="failure"}'), 2)
})

t.test('a full queue of password hashes', async (t) => {
  const body = { email: 'nobody@example.com', password: 'password123' }
  await eventually(async () => {
    const logins = Array.from({ length: 250 }, () => send('POST', '/api/v1/auth/login', body))
    return (await Promise.all(logins)).some(({ status }) => status === 429)
  })
  t.ok(await metric('password_hash_refused_total'))
})

t.test('a consumer that nobody reads, as while the projector is stopped', async (t) => {
  const connection = await connect({ servers: nats.url })
  t.teardown(() => connection.close())
  const { consumers } = await jetstreamManager(connection)
  const unhandled = (consumer: string) => `consumer_unhandled_messages{consumer="${consumer}"}`
  const oldest = (consumer: string) => `consumer_oldest_unhandled_seconds{consumer="${consumer}"}`
  const filters = { all: ['users.*.created', 'users.*.updated'], deletions: ['users.*.deleted'] }
  for (const [durable_name, filter_subjects] of Object.entries(filters))
    await consumers.add(usersStream.name, {
      durable_name,
      filter_subjects,
      ack_policy: 'explicit',
      deliver_policy: 'new',
    })
  await is(unhandled('all'), 0)
  t.equal(await metric(oldest('all')), 0)

  const users = [await newUser(), await newUser()]
  await is(unhandled('all'), users.length)
  const before = Number(await metric(oldest('all')))
  await eventually(async () => Number(await metric(oldest('all'))) > before)
  for (const series of [unhandled('deletions'), oldest('deletions')]) t.equal(await metric(series), 0)

  const consumer = await jetstream(connection).consumers.get(usersStream.name, 'all')
  const [first, second] = [await consumer.next(), await consumer.next()]
  await second?.ackAck()
  t.equal(await metric(unhandled('all')), 1, 'the first was delivered and is not acknowledged')
  t.ok(Number(await metric(oldest('all'))) > before)
  await first?.ackAck()
  for (const series of [unhandled('all'), oldest('all')]) t.equal(await metric(series), 0)
})

t.test('NATS stops, with a user whose outbox fills up: what NATS knows is absent until it is back', async (t) => {
  const users = api.database.db.collection<any>('users')
  const { user } = await newUser()
  await api.published(user.id, 'created')
  await is('outbox_pending_users', 0)
  await nats.server.stop()
  await is('nats_up', 0)
  t.equal(await metric('health_check_up{check="nats"}'), 0)
  t.equal(await metric('health_check_up{check="mongodb"}'), 1)
  t.notMatch(await metrics(), /^(consumer|stream)_\w+\{/m)

  const outbox = (length: number) => Array.from({ length }, (_, n) => ({ id: `event ${n}`, subject: user.id }))
  await users.updateOne({ _id: user.id }, { $set: { outbox: outbox(79), pendingSince: new Date() } })
  t.equal(await metric('outbox_crowded_users'), 0)
  await users.updateOne({ _id: user.id }, { $set: { outbox: outbox(80) } })
  t.equal(await metric('outbox_crowded_users'), 1)
  t.equal(await metric('outbox_pending_users'), 1)
  await users.updateOne({ _id: user.id }, { $set: { outbox: [] }, $unset: { pendingSince: 1 } })

  await nats.server.start()
  await is('nats_up', 1)
  t.equal(await metric('nats_reconnects_total'), 1)
  await is('consumer_unhandled_messages{consumer="all"}', 1)
})
