import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { linkNats, pause } from '../../src/index.ts'
import { captureLog } from '../fixtures/capture-log.ts'

// That the test process ends is part of what is tested.

t.test('an unavailable NATS is retried and logged once, until the link is closed', async (t) => {
  const { lines, logger } = captureLog()
  const server = await listen(t)
  const link = linkNats({ settings: { NATS_URL: urlOf(server) }, name: 'test', logger })
  link.start()
  for (let attempt = 1; attempt <= 2; attempt++) {
    const [socket] = (await once(server, 'connection')) as [Socket]
    t.equal(link.connection(), undefined)
    socket.destroy()
  }
  await link.close()
  t.match(lines, [{ msg: 'NATS is unavailable' }])
  t.equal(lines.length, 1)
})

t.test('a link can be closed immediately when no server listens', async () => {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = urlOf(server)
  server.close()
  const link = linkNats({ settings: { NATS_URL: url }, name: 'test', logger: captureLog().logger })
  link.start()
  await link.close()
})

t.test('with several servers, the link takes one that listens', async (t) => {
  const gone = createServer()
  await once(gone.listen(0, '127.0.0.1'), 'listening')
  const server = await listen(t)
  server.on('connection', (socket) => {
    socket.on('data', (data) => data.includes('PING') && socket.write('PONG\r\n'))
    socket.write(info)
  })
  const link = linkNats({
    settings: { NATS_URL: `${urlOf(gone)},${urlOf(server)}` },
    name: 'test',
    logger: captureLog().logger,
  })
  gone.close()
  const connected = Promise.withResolvers<void>()
  link.onConnected(() => connected.resolve())
  link.start()
  await connected.promise
  t.equal(link.connection()?.getServer(), urlOf(server).slice('nats://'.length))
  await link.close()
})

t.test('a link that was never started connects to nothing, and can be closed', async (t) => {
  const server = await listen(t)
  server.on('connection', () => t.fail('connected without a start'))
  const link = linkNats({ settings: { NATS_URL: urlOf(server) }, name: 'test', logger: captureLog().logger })
  await link.close()
  t.equal(link.connection(), undefined)
})

t.test('a link can be closed while it is connecting', async (t) => {
  const server = await listen(t)
  const link = linkNats({ settings: { NATS_URL: urlOf(server) }, name: 'test', logger: captureLog().logger })
  link.onConnected(() => void t.fail('a handler was called on a closing link'))
  link.start()
  const [socket] = (await once(server, 'connection')) as [Socket]
  const closed = link.close()
  // The server completes the handshake after the link was closed.
  socket.on('data', (data) => data.includes('PING') && socket.write('PONG\r\n'))
  socket.write(info)
  await Promise.all([closed, once(socket, 'close')])
  t.equal(link.connection(), undefined)
})

t.test('a server that refuses the client many times is retried, and each reason logged once', async (t) => {
  const { lines, logger } = captureLog()
  const refusals = ['Authentication Timeout', 'Authentication Timeout', 'Authorization Violation']
  const sockets: Socket[] = []
  const server = await listen(t)
  server.on('connection', (socket) => {
    sockets.push(socket)
    const refusal = refusals.shift()
    socket.write(info)
    socket.on('data', (data) => {
      if (data.includes('PING')) socket.write(refusal ? `-ERR '${refusal}'\r\n` : 'PONG\r\n')
      if (refusal) socket.end()
    })
  })
  const link = linkNats({ settings: { NATS_URL: urlOf(server) }, name: 'test', logger })
  const connects: unknown[] = []
  const twice = new Promise<void>((done) => link.onConnected((nats) => void (connects.push(nats) === 2 && done())))
  const reasons = new Set<string>()
  const watching = setInterval(() => reasons.add(link.problems().join()), 10)
  link.start()
  await new Promise<void>((done) => {
    const looking = setInterval(() => link.connection() && done(clearInterval(looking)), 10)
  })
  t.strictSame(link.problems(), [])
  // The client itself reconnects, and is refused again.
  refusals.push('Authentication Timeout', 'Authentication Timeout')
  sockets.at(-1)?.destroy()
  await twice
  clearInterval(watching)
  t.equal(new Set(connects).size, 1)
  await link.close()
  t.equal(connects.length, 2)
  const timeout = 'NATS refuses this client: Authentication Timeout'
  const wrong = 'NATS refuses this client: Authorization Violation'
  t.strictSame(
    lines.map(({ msg }) => msg),
    [timeout, wrong, 'NATS connected', 'NATS is unavailable', timeout, 'NATS connected'],
  )
  for (const reason of [timeout, wrong]) t.ok(reasons.has(reason))
})

t.test('a pause ends when its signal aborts, even if it aborted before', async () => {
  const closing = new AbortController()
  const long = pause(3_600_000, closing.signal)
  closing.abort()
  await Promise.all([long, pause(3_600_000, closing.signal)])
})

async function listen(t: Test): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}))
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server
}

const info = 'INFO {"server_id":"test","version":"2.14.0","proto":1,"max_payload":1048576}\r\n'

const urlOf = (server: Server): string => `nats://127.0.0.1:${(server.address() as AddressInfo).port}`
