import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { readModelShapes, shapeName, usersStream } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startSystem } from './system.ts'
import { type Span, traceReceiver } from './trace-receiver.ts'

const receiver = await traceReceiver(t)
const { spans } = receiver
const traced = {
  OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  OTEL_BSP_SCHEDULE_DELAY: '100',
  OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
}
const system = await startSystem(t, { 'command-api': traced, projector: traced, 'query-api': traced })
const { send, logs, mails, mail, servers } = system

const password = 'password123'
const secrets = /jane\.roe|quincy|password123/i
const register = async (headers: Record<string, string> = {}) => {
  const email = `jane.roe.${crypto.randomUUID()}@example.com`
  const user = { email, password, name: 'Quincy', roles: ['buyer'] }
  const { status, body, headers: answered } = await send('POST', '/api/v1/auth/register', user, undefined, headers)
  if (status !== 201) throw new Error(`${status}`)
  return { id: body.id as string, email, requestId: answered.get('x-request-id') ?? '' }
}
const linesOf = (requestId: string) => logs.map((line) => JSON.parse(line)).filter((l) => l.request_id === requestId)
/** The trace of a request, by its log. */
const traceOf = async (requestId: string): Promise<string> =>
  (await eventually(() => linesOf(requestId).find((line) => line.msg === 'request') ?? false)).trace_id
const find = (traceId: string, name: string) => spans.find((span) => span.traceId === traceId && span.name === name)
const found = (traceId: string, name: string): Promise<Span> => eventually(() => find(traceId, name) ?? false)
const childrenOf = ({ spanId }: Span) => spans.filter(({ parentSpanId }) => parentSpanId === spanId)

const shapes = Object.entries(readModelShapes).flatMap(([name, numbers]) => numbers.map((n) => shapeName(name, n)))
const consumers = [...shapes, 'welcome-email']

t.test('one trace leads from the request to every read model and the mail', async (t) => {
  const { requestId } = await register()
  const traceId = await traceOf(requestId)
  const request = await found(traceId, 'POST /api/v1/auth/register')
  t.match(request, {
    service: 'command-api',
    kind: 'SERVER',
    parentSpanId: '',
    isError: false,
    attributes: { 'http.route': '/api/v1/auth/register', 'http.response.status_code': 201 },
  })
  const write = await found(traceId, 'update users')
  t.match(write, { service: 'command-api', kind: 'CLIENT', parentSpanId: request.spanId })
  t.match(write.attributes, { 'db.system.name': 'mongodb', 'db.collection.name': 'users' })

  const publish = await found(traceId, `publish ${usersStream.name}`)
  t.match(publish, { service: 'command-api', kind: 'PRODUCER', parentSpanId: request.spanId })
  t.match(publish.attributes, { 'messaging.system': 'nats', 'cloudevents.event_type': 'UserCreated' })

  for (const consumer of consumers) {
    const handling = await found(traceId, `process ${consumer}`)
    t.match(handling, { service: 'projector', kind: 'CONSUMER', parentSpanId: request.spanId, isError: false })
    t.equal(handling.attributes['messaging.message.id'], publish.attributes['messaging.message.id'])
    const batch = await eventually(() => spans.find(({ spanId }) => spanId === handling.links[0]?.spanId) ?? false)
    t.match(batch, { name: `process batch ${consumer}`, kind: 'CONSUMER', parentSpanId: '' })
    t.match(batch.attributes, { 'messaging.batch.message_count': 1, 'messaging.destination.name': usersStream.name })
    t.strictSame(batch.links, [{ traceId, spanId: request.spanId }])
    await eventually(() => childrenOf(batch).some(({ name }) => name === 'find read_models'))
  }
  const mail = await found(traceId, 'send welcome e-mail')
  t.match(mail, { service: 'projector', kind: 'CLIENT', parentSpanId: request.spanId, isError: false })

  t.strictSame([...new Set(linesOf(requestId).map((line) => line.trace_id))], [traceId], 'every log line names it')
})

t.test('commands stay in the trace of a request whose body arrives later', async (t) => {
  const user = { email: `${crypto.randomUUID()}@example.com`, password, name: 'Quincy', roles: ['buyer'] }
  const [traceId, id] = ['6bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
  const headers = { 'content-type': 'application/json', traceparent: `00-${traceId}-${id}-01` }
  const url = `http://127.0.0.1:${system.ports['command-api']}/api/v1/auth/register`
  const request = httpRequest(url, { method: 'POST', headers })
  request.flushHeaders()
  await delay(200)
  request.end(JSON.stringify(user))
  const [response] = await once(request, 'response')
  response.resume()
  t.equal(response.statusCode, 201)
  const { spanId } = await found(traceId, 'POST /api/v1/auth/register')
  t.match(await found(traceId, 'update users'), { parentSpanId: spanId })
})

t.test('a client’s trace continues', async (t) => {
  const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
  const { requestId } = await register({ traceparent: `00-${traceId}-${spanId}-01` })
  t.equal(await traceOf(requestId), traceId)
  t.match(await found(traceId, 'POST /api/v1/auth/register'), { parentSpanId: spanId })
  await found(traceId, 'process users_read_v1')

  const unsampled = '5bf92f3577b34da6a3ce929d0e0e4736'
  const later = await register({ traceparent: `00-${unsampled}-${spanId}-00` })
  t.equal(await traceOf(later.requestId), unsampled)
  await found(await traceOf((await register()).requestId), 'process users_read_v1')
  t.notOk(
    spans.some((span) => span.traceId === unsampled),
    'and is not recorded if the client’s is not',
  )
})

t.test('queries: the request and its commands; refusals are no errors', async (t) => {
  const { id, email } = await register()
  const { body } = await send('POST', '/api/v1/auth/login', { email, password })
  const get = async (path: string, token = body.accessToken) => {
    const { headers } = await send('GET', path, undefined, token)
    return traceOf(headers.get('x-request-id') ?? '')
  }
  await eventually(async () => (await send('GET', `/api/v1/users/${id}`, undefined, body.accessToken)).status === 200)
  const list = await found(await get('/api/v1/users'), 'GET /api/v1/users')
  t.match(list, { service: 'query-api', kind: 'SERVER', attributes: { 'http.response.status_code': 200 } })
  await eventually(() => childrenOf(list).some(({ name }) => /^(find|aggregate) /.test(name)))

  const refused = await found(await get(`/api/v1/users/${email}`), 'GET /api/v1/users/:id')
  t.match(refused, { isError: false, attributes: { 'http.response.status_code': 400 } })
  const searched = await found(await get(`/api/v1/users?q=${encodeURIComponent(email)}`), 'GET /api/v1/users')
  t.match(searched, { isError: false, attributes: { 'url.path': '/api/v1/users' } })
  const forged = await found(await get('/api/v1/users', 'forged'), 'GET /api/v1/users')
  t.match(forged, { isError: false, attributes: { 'http.response.status_code': 401 } })
})

t.test('a mail that had to wait is in the trace of its registration', async (t) => {
  mail?.refuse(451)
  const { requestId } = await register()
  const traceId = await traceOf(requestId)
  t.match(await found(traceId, 'send welcome e-mail'), { isError: true, attributes: { 'error.type': 'mail-deferred' } })
  const before = (await mails()).length
  mail?.accept()
  const attempts = () => spans.filter((span) => span.traceId === traceId && span.name === 'send welcome e-mail')
  const [sent] = await eventually(() => {
    const successful = attempts().filter(({ isError }) => !isError)
    return successful.length > 0 && successful
  })
  const request = await found(traceId, 'POST /api/v1/auth/register')
  t.match(sent, { parentSpanId: request.spanId })
  t.equal((await mails()).length, before + 1)
})

t.test('an event that another process publishes later stays in the trace of its request', async (t) => {
  await servers.nats.kill()
  const { requestId } = await register()
  const traceId = await traceOf(requestId)
  const request = await found(traceId, 'POST /api/v1/auth/register')
  await servers['command-api'].kill()
  await servers['command-api'].start()
  await servers.nats.start()
  const publish = await found(traceId, `publish ${usersStream.name}`)
  t.match(publish, { parentSpanId: request.spanId, isError: false })
  t.match(await found(traceId, 'process users_read_v1'), { parentSpanId: request.spanId })
})

t.test('what is exported names the release and holds no personal data', async (t) => {
  const { email } = await register()
  const again = { email, password, name: 'Quincy', roles: ['buyer'] }
  const { status, headers } = await send('POST', '/api/v1/auth/register', again)
  t.equal(status, 409, 'MongoDB’s error quotes the address')
  await found(await traceOf(headers.get('x-request-id') ?? ''), 'POST /api/v1/auth/register')
  for (const service of ['command-api', 'projector', 'query-api'])
    t.match(
      receiver.resources.find((resource) => resource['service.name'] === service),
      { 'service.version': /^\d+\.\d+\.\d+/, 'deployment.environment.name': 'test' },
    )
  t.ok(receiver.bodies.length > 0)
  t.notOk(receiver.bodies.some((body) => secrets.test(body.toString('latin1'))))
})

t.test('probes and scrapes are not traced', async (t) => {
  for (const path of ['/healthz', '/readyz', '/metrics'])
    await fetch(`http://127.0.0.1:${system.ports['query-api']}${path}`)
  await found(await traceOf((await register()).requestId), 'process users_read_v1')
  t.notOk(spans.some(({ name }) => /healthz|readyz|metrics|hello/.test(name)))
})
