import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { createServer } from '../../src/index.ts'
import { captureLog } from '../fixtures/capture-log.ts'

const app = createServer(captureLog().logger, {}, { requestTimeoutMs: 200 })
t.teardown(() => app.close())
app.post('/echo', (request) => request.body)
const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)

const post = 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n'
for (const [what, sent, drip] of [
  ['that says nothing', '', ''],
  ['whose headers come drop by drop', 'GET / HTTP/1.1\r\n', 'X: y\r\n'],
  ['whose body comes drop by drop', `${post}Content-Length: 9999\r\n\r\n`, ' '],
  ['whose chunks come drop by drop', `${post}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
  ['that sends half a body and waits', `${post}Content-Length: 9999\r\n\r\n{`, ''],
] as const) {
  t.test(`a client ${what} gets 408 and is disconnected`, async (t) => {
    const socket = await opened(t)
    if (sent) socket.write(sent)
    const dripping = setInterval(() => drip && socket.write(drip), 20)
    t.teardown(() => clearInterval(dripping))
    socket.once('readable', () => clearInterval(dripping))
    const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n')
    t.match(head, /^HTTP\/1.1 408 .*content-type: application\/problem\+json/is)
    t.match(JSON.parse(body), { code: 'request-timeout', status: 408 })
  })
}

t.test('a request in progress while the process stops is answered', async (t) => {
  const stopping = createServer(captureLog().logger)
  const reached = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  stopping.get('/held', async () => {
    reached.resolve()
    await released.promise
    return 'held'
  })
  stopping.get('/late', () => 'late')
  const url = await stopping.listen({ host: '127.0.0.1', port: 0 })
  const late = await opened(t, Number(new URL(url).port))
  late.write('GET /late HTTP/1.1\r\nHost: a\r\n')
  const held = fetch(`${url}/held`)
  await reached.promise
  const closed = stopping.close()
  late.write('\r\n')
  t.match(await text(late), /^HTTP\/1.1 200 .*connection: close.*late$/is)
  released.resolve()
  const answer = await held
  t.equal(await answer.text(), 'held')
  t.equal(answer.headers.get('connection'), 'close', 'no idle connection keeps the process from its end')
  await closed
})

async function opened(t: Test, to = port): Promise<Socket> {
  const socket = connect(to, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}
