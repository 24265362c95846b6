import { eventually, freshNats, freshRedis, valueIn } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, user } from './fixtures/users.ts'

const [redis, broker] = [await freshRedis(t), await freshNats(t)]
const settings = { REDIS_URL: redis.url }
const api = await startQueryApi(t, { natsUrl: broker.url, cacheTtlMs: 600_000, timeoutMs: 5, settings })
const { app, get, stored } = api
const metrics = async () => (await app.inject('/metrics')).body
const metric = async (series: string) => valueIn(await metrics(), series)
const is = (series: string, value: number) => eventually(async () => (await metric(series)) === value)
const path = (number: number) => `/api/v1/users/${idOf(number)}`
const requests = (status: number) =>
  'http_server_request_duration_seconds_count{http_request_method="GET",http_route="/api/v1/users/:id",' +
  `http_response_status_code="${status}"}`
const operations = (outcome: string) => `redis_operations_total{outcome="${outcome}"}`

t.test('what can be counted is there from the start, as 0', async (t) => {
  for (const check of ['mongodb', 'nats', 'redis']) await is(`health_check_up{check="${check}"}`, 1)
  await is('nats_up', 1)
  const text = await metrics()
  for (const series of [
    ...[200, 304, 400, 401, 404, 429, 503].map(requests),
    ...['hit', 'miss', 'error'].map(operations),
    'query_freshness_timeouts_total',
    'query_freshness_wait_seconds_count',
    'query_unreadable_users_total',
    'query_user_cache_bytes',
    'query_user_cache_entries',
    'query_user_cache_hits_total',
    'query_user_cache_misses_total',
  ])
    t.equal(valueIn(text, series), 0, series)
})

t.test('a user from the database, from memory, and one that does not exist', async (t) => {
  await stored.insertOne(user(1))
  await eventually(async () => (await get('/readyz')).body.status === 'ready')
  for (const status of [200, 200]) t.equal((await get(path(1))).status, status)
  t.equal((await get(path(9))).status, 404)
  t.equal(await metric(requests(200)), 2)
  t.equal(await metric(requests(404)), 1)
  t.equal(await metric('query_user_cache_hits_total'), 1)
  t.equal(await metric('query_user_cache_misses_total'), 2)
  t.equal(await metric('query_user_cache_entries'), 1)
  t.ok(await metric('query_user_cache_bytes'))
  t.notMatch(await metrics(), new RegExp(idOf(1)))
})

t.test('queries that wait for a version', async (t) => {
  t.equal((await get(path(1), { 'x-min-version': '2' })).status, 503)
  t.equal(await metric('query_freshness_timeouts_total'), 1)
  t.equal(await metric('query_freshness_wait_seconds_count'), 1)
})

t.test('Redis is asked, hangs, and stops', async (t) => {
  // A process does not read Redis before what it may have missed has expired.
  const { app, get } = await startQueryApi(t, { cacheTtlMs: 1, settings })
  const metric = async (series: string) => valueIn((await app.inject('/metrics')).body, series)
  let asked = 10
  const someAre = (outcome: string) =>
    eventually(async () => {
      await get(path(asked++))
      return Number(await metric(operations(outcome))) > 0
    })
  await someAre('miss')
  const { pid = 0 } = redis.server
  process.kill(pid, 'SIGSTOP')
  await someAre('error').finally(() => process.kill(pid, 'SIGCONT'))
  await redis.server.stop()
  await eventually(async () => (await metric('health_check_up{check="redis"}')) === 0)
})

t.test('NATS stops', async (t) => {
  await broker.server.stop()
  await is('nats_up', 0)
  t.equal(await metric('health_check_up{check="nats"}'), 0)
  t.equal(await metric('health_check_up{check="mongodb"}'), 1)
})
