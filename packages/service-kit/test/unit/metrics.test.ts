import t from 'tap'
import Type from 'typebox'
import { answerHealth, answerMetrics, createServer, gauges, mongoClient } from '../../src/index.ts'
import { captureLog } from '../fixtures/capture-log.ts'

const app = createServer(captureLog().logger)
answerHealth(app, { good: { required: true }, bad: { required: true, isUp: () => false } })
answerMetrics(app, { HOST: '127.0.0.1' })
const body = Type.Object({ name: Type.String() })
app.post(
  '/names/:id',
  { config: { problems: ['email-taken'] }, schema: { body, response: { 200: body, 201: body } } },
  (request) => request.body,
)
t.teardown(() => app.close())

const scrape = async () => (await app.inject('/metrics')).body
const count = (method: string, route: string, status: number) =>
  `http_server_request_duration_seconds_count{http_request_method="${method}",http_route="${route}",` +
  `http_response_status_code="${status}"}`
/** The text of the value of a series, as Prometheus reads it. */
const valueIn = async (series: string) =>
  (await scrape())
    .split('\n')
    .find((line) => line.startsWith(`${series} `))
    ?.slice(series.length + 1)

t.test('what a route can answer is there from the start, as 0', async (t) => {
  for (const status of [201, 400, 409, 413, 415, 500, 503])
    t.equal(await valueIn(count('POST', '/names/:id', status)), '0', String(status))
  t.equal(await valueIn(count('GET', 'none', 404)), '0')
  t.equal(await valueIn(count('POST', '/names/:id', 408)), undefined, 'it is answered before a request has a route')
})

t.test('requests are counted by the pattern of their route, and their time by buckets', async (t) => {
  for (const id of [1, 2]) await app.inject({ method: 'POST', url: `/names/${id}`, payload: { name: 'Jane' } })
  await app.inject({ method: 'POST', url: '/names/3', payload: { name: 4 } })
  t.equal(await valueIn(count('POST', '/names/:id', 200)), '2')
  t.equal(await valueIn(count('POST', '/names/:id', 400)), '1')
  const bucket = count('POST', '/names/:id', 200).replace('_count{', '_bucket{le="10",')
  t.equal(await valueIn(bucket), '2')
  const sum = Number(await valueIn(count('POST', '/names/:id', 200).replace('_count', '_sum')))
  t.ok(sum > 0)
})

t.test('unknown paths and methods are one label each; probes and scrapes are left out', async (t) => {
  for (const url of ['/jane', '/joe?secret=1', '/healthz', '/readyz', '/metrics']) await app.inject(url)
  for (const method of ['PROPFIND', 'MKCOL', 'PROPFIND']) await app.inject({ method: method as 'GET', url: '/jane' })
  t.equal(await valueIn(count('GET', 'none', 404)), '2')
  t.equal(await valueIn(count('_OTHER', 'none', 404)), '3', 'a counter never goes back')
  t.notMatch((await scrape()).match(/^http_.*$/gm)?.join('\n'), /jane|joe|secret|healthz|readyz|"\/metrics/)
})

t.test('the checks of /readyz, and the release', async (t) => {
  t.equal(await valueIn('health_check_up{check="good"}'), '1')
  t.equal(await valueIn('health_check_up{check="bad"}'), '0')
  t.match(await scrape(), /^build_info\{service="[^"]*",version="\d+\.\d+\.\d+"\} 1$/m)
})

t.test('gauges are measured in one round, of the parts that have started and are not closed', async (t) => {
  let rounds = 0
  let answer = Promise.withResolvers<number>()
  const measure = gauges(
    { test_plain: 'plain', test_labelled: { help: 'labelled', label: 'part' } },
    async (name: string) => {
      rounds++
      const value = await answer.promise
      return { test_plain: value, test_labelled: { [name]: value } }
    },
  )
  const [one, other] = [measure('one'), measure('other')]
  t.equal(await valueIn('test_plain'), 'Nan')
  one.start()
  const scrapes = [scrape(), scrape()]
  answer.resolve(7)
  for (const text of await Promise.all(scrapes)) t.match(text, /^test_plain 7$/m)
  t.equal(rounds, 1)
  other.start()
  t.equal(await valueIn('test_labelled{part="other"}'), '7')
  await one.close()
  t.equal(await valueIn('test_labelled{part="one"}'), undefined)

  answer = Promise.withResolvers()
  answer.reject(new Error('unavailable'))
  t.equal(await valueIn('test_plain'), 'Nan', 'no old value')
  t.equal(await valueIn('test_labelled{part="other"}'), undefined)
  answer = Promise.withResolvers()
  t.equal(await valueIn('test_plain'), 'Nan', 'what never answers does not hold up a scrape')
  await other.close()
})

t.test('connections to MongoDB: used, idle, and requests that wait for one', async (t) => {
  const client = mongoClient('mongodb://127.0.0.1:1/test?maxPoolSize=2', 'test')
  t.teardown(() => client.close())
  const emit = (event: string, about = {}) => client.emit(event as 'connectionCreated', about as never)
  client.start()
  for (const event of ['connectionCreated', 'connectionCreated', 'connectionCreated', 'connectionClosed']) emit(event)
  for (let n = 0; n < 4; n++) emit('connectionCheckOutStarted')
  for (const durationMS of [2, 700]) emit('connectionCheckedOut', { durationMS })
  emit('connectionCheckOutFailed')
  emit('connectionCheckedIn')
  t.match(
    await scrape(),
    new RegExp(
      [
        '^db_client_connection_count\\{state="used"\\} 1$',
        '^db_client_connection_count\\{state="idle"\\} 1$',
        '^db_client_connection_max 2$',
        '^db_client_connection_pending_requests 1$',
        '^db_client_connection_wait_time_seconds_bucket\\{le="0.005"\\} 1$',
        '^db_client_connection_wait_time_seconds_count 2$',
      ].join('[^]*'),
      'm',
    ),
  )
})
