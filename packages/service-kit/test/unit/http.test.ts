import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { Problem, type ProblemCode, problems, Refusal } from '@cqrs/contracts'
import type { InjectOptions } from 'fastify'
import { MongoNetworkError, MongoServerError } from 'mongodb'
import t, { type Test } from 'tap'
import Type from 'typebox'
import Value from 'typebox/value'
import { createServer } from '../../src/index.ts'
import { captureLog } from '../fixtures/capture-log.ts'

const { lines, logger } = captureLog()
const app = createServer(logger)
t.teardown(() => app.close())
const body = Type.Object({ name: Type.String() }, { additionalProperties: false })
app.post('/names', { schema: { body } }, (request) => request.body)
app.get('/names/:name', (request) => request.params)
app.get('/never', { handlerTimeout: 10 }, () => new Promise<never>(() => {}))

const thrown: Record<string, [unknown, ProblemCode]> = {
  fault: [new TypeError('secret: x is not a function'), 'internal'],
  'own-status': [Object.assign(new Error('secret'), { statusCode: 502 }), 'internal'],
  client: [Object.assign(new Error('secret'), { statusCode: 418 }), 'malformed-request'],
  text: ['secret', 'internal'],
  nothing: [undefined, 'internal'],
  null: [null, 'internal'],
  duplicate: [new MongoServerError({ message: 'E11000 secret', code: 11000 }), 'internal'],
  away: [new MongoNetworkError('secret host'), 'storage-unavailable'],
  refusal: [new Refusal('email-taken'), 'email-taken'],
  overload: [new Refusal('overloaded', { retryAfterSeconds: 7 }), 'overloaded'],
}
for (const [name, [error]] of Object.entries(thrown)) {
  app.get(`/throws/${name}`, async () => {
    throw error
  })
}
const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)

for (const [name, [, code]] of Object.entries(thrown)) {
  t.test(`a handler that throws: ${name}`, async (t) => {
    const { headers } = await refused(t, { method: 'GET', url: `/throws/${name}` }, code)
    t.equal(headers['retry-after'], { 'storage-unavailable': '1', overloaded: '7' }[code as string])
  })
}

t.test('an unexpected error is logged, a refusal is not', async (t) => {
  lines.length = 0
  await app.inject('/throws/fault')
  t.match(
    lines.filter(({ msg }) => msg === 'request failed'),
    [{ err: { message: 'secret: x is not a function' } }],
  )
  lines.length = 0
  await app.inject('/throws/refusal')
  t.notMatch(lines, [{ msg: 'request failed' }])
})

t.test('a handler that never ends answers overloaded, not internal', async (t) => {
  const { headers } = await refused(t, { method: 'GET', url: '/never' }, 'overloaded')
  t.equal(headers['retry-after'], '1')
})

const json = { 'content-type': 'application/json' }
for (const [what, headers, payload, code] of [
  ['truncated JSON', json, '{"name":', 'malformed-json'],
  ['nothing', json, '', 'malformed-json'],
  ['JSON that poisons prototypes', json, '{"name":"x","__proto__":{"admin":true}}', 'malformed-json'],
  ['JSON that poisons constructors', json, '{"constructor":{"prototype":{"admin":true}}}', 'malformed-json'],
  ['JSON that poisons nested prototypes', json, '{"name":{"a":[{"__proto__":{}}]}}', 'malformed-json'],
  ['lists within lists', json, '['.repeat(8_000) + ']'.repeat(8_000), 'validation-failed'],
  ['objects within objects', json, `${'{"name":'.repeat(1_800)}1${'}'.repeat(1_800)}`, 'validation-failed'],
  ['a NUL', json, '\0', 'malformed-json'],
  ['compressed JSON', { ...json, 'content-encoding': 'gzip' }, Buffer.from([0x1f, 0x8b]), 'unsupported-media-type'],
  ['said to be compressed', { ...json, 'content-encoding': 'br' }, '{"name":"x"}', 'unsupported-media-type'],
  ['in another charset', { 'content-type': 'application/json; charset=latin1' }, '{}', 'unsupported-media-type'],
  ['in UTF-16', { 'content-type': 'application/json;charset="utf-16"' }, '{}', 'unsupported-media-type'],
  ['not UTF-8', json, Buffer.from('{"name":"J\xe4ne"}', 'latin1'), 'malformed-json'],
  ['UTF-8 that is too long for its character', json, Buffer.from('{"name":"\xc0\xaf"}', 'latin1'), 'malformed-json'],
  ['empty, without a type', {}, undefined, 'validation-failed'],
  ['text', { 'content-type': 'text/plain' }, 'name', 'unsupported-media-type'],
  ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'name=x', 'unsupported-media-type'],
  ['of an invalid type', { 'content-type': 'application' }, '{}', 'unsupported-media-type'],
  ['16 KiB and one byte', json, `"${'x'.repeat(16 * 1024 - 1)}"`, 'body-too-large'],
] as const) {
  t.test(`a body that is ${what}`, async (t) => {
    await refused(t, { method: 'POST', url: '/names', headers, ...(payload === undefined ? {} : { payload }) }, code)
  })
}

t.test('a body of 16 KiB is accepted', async (t) => {
  const payload = JSON.stringify({ name: 'x'.repeat(16 * 1024 - '{"name":""}'.length) })
  t.equal(payload.length, 16 * 1024)
  t.equal((await app.inject({ method: 'POST', url: '/names', headers: json, payload })).statusCode, 200)
})

t.test('the last of two equal keys counts, and is validated', async (t) => {
  const send = (payload: string) => app.inject({ method: 'POST', url: '/names', headers: json, payload })
  t.strictSame((await send('{"name":"one","name":"two"}')).json(), { name: 'two' })
  t.match((await send('{"name":"one","name":{"$ne":1}}')).json(), { code: 'validation-failed' })
})

for (const [url, code] of [
  ['/nowhere', 'route-not-found'],
  ['/names/%zz', 'malformed-request'],
  ['/names/%c0%80', 'malformed-request'],
  [`/names/${'x'.repeat(201)}`, 'malformed-request'],
] as const) {
  t.test(`an invalid path: ${url.slice(0, 20)}`, (t) => refused(t, { method: 'GET', url }, code))
}

t.test('a known path with another method answers the methods it supports', async (t) => {
  const { headers } = await refused(t, { method: 'PUT', url: '/api/v1/auth/login' }, 'method-not-allowed')
  t.equal(headers['allow'], 'POST')
})

for (const [what, sent, code] of [
  ['garbage', 'hello\r\n\r\n', 'malformed-request'],
  ['another protocol', Buffer.from('1603010200010001fc0303', 'hex'), 'malformed-request'],
  ['a NUL in the path', 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n', 'malformed-request'],
  ['a header without a name', 'GET / HTTP/1.1\r\n: x\r\n\r\n', 'malformed-request'],
  [
    'two lengths',
    'POST /names HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'malformed-request',
  ],
  [
    'a length and chunks, as for smuggling',
    'POST /names HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'malformed-request',
  ],
  ['headers without end', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 'headers-too-large'],
  [
    'a body announced as too large',
    'POST /names HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n',
    'body-too-large',
  ],
  [
    'chunks that become too large',
    `POST /names HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
      `5000\r\n${'x'.repeat(0x5000)}\r\n`,
    'body-too-large',
  ],
] as const) {
  t.test(`on the wire: ${what}`, async (t) => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(sent)
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n')
    t.match(head, new RegExp(`^HTTP/1.1 ${problems[code][0]} `))
    t.match(head, /content-type: application\/problem\+json/i)
    t.match(JSON.parse(body), { code })
  })
}

t.test('an Expect other than 100-continue is ignored', async (t) => {
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /names/jane HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: a miracle\r\n\r\n')
  t.match(await text(socket), /^HTTP\/1\.1 200 /)
})

t.test('a client that disconnects within a request does no harm', async (t) => {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('POST /names HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{')
  socket.resetAndDestroy()
  await once(socket, 'close')
  t.equal((await fetch(`http://127.0.0.1:${port}/names/x`)).status, 200)
})

t.test('a request is one line in the log: the route, not the path, which can hold personal data', async (t) => {
  lines.length = 0
  await app.inject('/names/jane?email=jane@example.com')
  await app.inject('/jane@example.com')
  t.match(lines, [
    { msg: 'request', method: 'GET', route: '/names/:name', status: 200, ms: Number },
    { msg: 'request', method: 'GET', route: 'none', status: 404, code: 'route-not-found' },
  ])
  t.equal(lines.length, 2)
  t.notMatch(JSON.stringify(lines), /jane/)
})

t.test('one id names a request in its answer, in the problem and in the log', async (t) => {
  const ask = async (headers: Record<string, string>, url = '/names/jane') => {
    lines.length = 0
    const answer = await app.inject({ url, headers })
    const id = answer.headers['x-request-id']
    t.equal(lines[0]?.['request_id'], id)
    t.equal(url === '/names/jane' ? id : answer.json().instance, id)
    return { id, trace: lines[0]?.['trace_id'] }
  }
  const made = await ask({})
  t.match(made, { id: /^[0-9a-f]{32}$/, trace: made.id })
  t.not((await ask({})).id, made.id)
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
  t.match(await ask({ 'x-request-id': 'given.1', traceparent }, '/none'), { id: 'given.1', trace })
  t.match(await ask({ traceparent: '00-00000000000000000000000000000000-00f067aa0ba902b7-01' }), {
    id: /^[0-9a-f]{32}$/,
  })
  for (const malformed of ['jane@example.com', 'a b', 'x'.repeat(129), '{"$gt":""}'])
    t.match(await ask({ 'x-request-id': malformed }), { id: /^[0-9a-f]{32}$/ }, malformed)
  t.match(await ask({ 'x-request-id': 'given.2' }), {
    trace: (await ask({ 'x-request-id': 'given.2' }, '/none')).trace,
  })
})

t.test('at a higher level a successful request is not logged, an unexpected error is', async (t) => {
  const { lines, logger } = captureLog('warn')
  const quiet = createServer(logger)
  t.teardown(() => quiet.close())
  quiet.get('/well', () => 'hello')
  quiet.get('/fault', () => Promise.reject(new Error('unforeseen')))
  await quiet.inject('/well')
  await quiet.inject('/fault')
  t.match(lines, [{ msg: 'request failed', request_id: String, trace_id: String, err: { message: 'unforeseen' } }])
  t.equal(lines.length, 1)
})

/** Expects the problem of this code, with nothing from inside. */
async function refused(t: Test, request: InjectOptions, code: ProblemCode) {
  const { statusCode, headers, body } = await app.inject(request)
  t.equal(statusCode, problems[code][0])
  t.match(headers['content-type'], /^application\/problem\+json/)
  const problem = JSON.parse(body)
  t.equal(problem.code, code)
  t.ok(Value.Check(Problem, problem))
  t.notMatch(body, /secret|Error|FST_|node_modules/)
  return { headers }
}
