import { randomBytes } from 'node:crypto'
import t from 'tap'
import { answerHealth, type Check, createServer } from '../../src/index.ts'
import { captureLog } from '../fixtures/capture-log.ts'

const up = async () => true
const down = () => false
const broken = async () => {
  throw new Error('secret')
}

for (const [what, checks, expected] of [
  [
    'every check is up',
    { mongodb: { required: true, isUp: up }, nats: { required: false, isUp: up } },
    { status: 200, body: { status: 'ready', checks: { mongodb: 'up', nats: 'up' } } },
  ],
  [
    'a check that is not required is down',
    { mongodb: { required: true, isUp: up }, nats: { required: false, isUp: down } },
    { status: 200, body: { status: 'degraded', checks: { mongodb: 'up', nats: 'down' } } },
  ],
  [
    'a required check is down',
    { mongodb: { required: true, isUp: down }, nats: { required: false, isUp: up } },
    { status: 503, body: { status: 'unready', checks: { mongodb: 'down', nats: 'up' } } },
  ],
  [
    'every check is down',
    { mongodb: { required: true, isUp: down }, nats: { required: false, isUp: down } },
    { status: 503, body: { status: 'unready', checks: { mongodb: 'down', nats: 'down' } } },
  ],
  [
    'a check throws',
    { mongodb: { required: true, isUp: broken }, nats: { required: false, isUp: broken } },
    { status: 503, body: { status: 'unready', checks: { mongodb: 'down', nats: 'down' } } },
  ],
  [
    'a check never answers',
    { mongodb: { required: true, isUp: up }, streams: { required: false, isUp: () => new Promise<boolean>(() => {}) } },
    { status: 200, body: { status: 'degraded', checks: { mongodb: 'up', streams: 'down' } } },
  ],
  [
    'a check has reasons',
    { nats: { required: false, reasons: () => ['NATS is unavailable'] }, mail: { required: false, reasons: () => [] } },
    {
      status: 200,
      body: { status: 'degraded', checks: { nats: 'down', mail: 'up' }, reasons: ['NATS is unavailable'] },
    },
  ],
  ['there are no checks', {}, { status: 200, body: { status: 'ready', checks: {} } }],
] as [string, Record<string, Check>, { status: number; body: object }][]) {
  t.test(`/readyz when ${what}`, async (t) => {
    const { logger, lines } = captureLog()
    const app = createServer(logger)
    t.teardown(() => app.close())
    answerHealth(app, checks)
    const ready = await app.inject('/readyz')
    t.strictSame({ status: ready.statusCode, body: ready.json() }, expected)

    const alive = await app.inject('/healthz')
    t.strictSame({ status: alive.statusCode, body: alive.json() }, { status: 200, body: { status: 'ok' } })
    t.strictSame(lines, [], 'probes do not fill the log')
  })
}

t.test('a busy process does not take its own lateness for that of a dependency', async (t) => {
  const app = createServer(captureLog().logger)
  answerHealth(app, {
    part: {
      required: true,
      // The answer of another thread is there in time, but is not heard before the time is over.
      isUp: () =>
        new Promise((resolve) => {
          setImmediate(() => {
            randomBytes(16, () => resolve(true))
            const until = performance.now() + 1_000
            while (performance.now() < until);
          })
        }),
    },
  })
  t.strictSame((await app.inject('/readyz')).json(), { status: 'ready', checks: { part: 'up' } })
})
