import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { eventually, freePort, runProgram, startProcess } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startSystem } from './fixtures/system.ts'
import { created } from './fixtures/user-events.ts'

const awayEnv = {
  MONGODB_READ_URI: `mongodb://127.0.0.1:${await freePort()}/read`,
  NATS_URL: `nats://127.0.0.1:${await freePort()}`,
  SMTP_URL: `smtp://127.0.0.1:${await freePort()}`,
}

t.test('every invalid setting is named at once, without its value', async (t) => {
  const { code, output } = await runProgram('projector', 'main.js', [], {
    PORT: 'http',
    MONGODB_READ_URI: 'localhost/secret',
    STREAM_REPLICAS: '0',
    MAIL_FROM: 'secret',
    LOG_LEVEL: 'loud',
  })
  t.equal(code, 1)
  t.match(output, /^[^\n]+\n$/)
  for (const name of ['PORT', 'MONGODB_READ_URI', 'STREAM_REPLICAS', 'SMTP_URL is not set', 'MAIL_FROM', 'LOG_LEVEL'])
    t.match(output, name)
  t.notMatch(output, /secret|loud/)
})

t.test('a port in use is reported on one line', async (t) => {
  const other = createServer()
  await once(other.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => other.close())
  const port = String((other.address() as AddressInfo).port)
  const { code, output } = await runProgram('projector', 'main.js', [], {
    ...awayEnv,
    HOST: '127.0.0.1',
    PORT: port,
    LOG_LEVEL: 'silent',
  })
  t.equal(code, 1)
  t.match(output, new RegExp(`^[^\\n]*EADDRINUSE[^\\n]*${port}\\n$`))
})

t.test('starts while all dependencies are unavailable, reports them, and stops on SIGTERM', async (t) => {
  const { get, logs, terminate } = await startProcess(t, 'projector', awayEnv)
  t.match(await get('/healthz'), { status: 200 })
  t.match(await get('/readyz'), {
    status: 503,
    body: { status: 'unready', checks: { mongodb: 'down', nats: 'down', mail: 'down' } },
  })
  t.match(await terminate(), 'exit code 0')
  t.ok(logs.some(({ msg, signal }) => msg === 'closing' && signal === 'SIGTERM'))
})

t.test('is ready when all dependencies are available, and stops on SIGTERM', async (t) => {
  const { broker, projector, visible } = await startSystem(t)
  await broker.publish(created(1))
  await visible(1, 1)
  await eventually(async () => (await projector.get('/readyz')).body.status === 'ready')
  t.match(await projector.terminate(), 'exit code 0')
})
