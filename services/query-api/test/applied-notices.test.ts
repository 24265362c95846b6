import { type AppliedNotice, appliedSubject, Refusal } from '@cqrs/contracts'
import { eventually, freshNats } from '@cqrs/local-stack/testing'
import { createLogger, linkNats } from '@cqrs/service-kit'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { AppliedNotices, maxWatches, maxWatchesOfOne } from '../src/freshness/applied-notices.ts'
import { idOf } from './fixtures/users.ts'

const forever = new AbortController().signal
// Longer than the timeout of the test: only a notice ends such a wait.
const longMs = 3_600_000

const logger = createLogger('query-api', 'silent')
const subject = appliedSubject('users_read_v1')
const { server, url } = await freshNats(t)
const projector = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
t.teardown(() => projector.close())
const notices = new AppliedNotices()
const link = linkNats({ settings: { NATS_URL: url }, name: 'query-api', logger })
notices.listen(link)
link.start()
t.teardown(() => link.close())
await eventually(async () => (await link.connection()?.flush()) === undefined && link.connection() !== undefined)

const say = (...applied: AppliedNotice['applied']) => projector.publish(subject, JSON.stringify({ applied }))

/** A watch that counts how often a notice wakes it. */
const probe = (number: number, version: number) => {
  const watch = notices.watch(new Map([[idOf(number), version]]), 'a caller')
  let wakes = 0
  const until = new AbortController()
  const running = (async () => {
    while (!until.signal.aborted) {
      await watch.noticed(longMs, until.signal)
      if (!until.signal.aborted) wakes++
    }
    watch.end()
  })()
  return {
    wakes: () => wakes,
    end: async () => {
      until.abort()
      await running
    },
  }
}

t.test('a watch wakes on a notice of its version or a higher one, and on no other', async (t) => {
  const same = probe(1, 3)
  const lower = probe(1, 2)
  const higher = probe(1, 4)
  const other = probe(2, 1)
  const last = probe(3, 1)
  say([idOf(9), 7], [idOf(1), 3])
  say([idOf(3), 1]) // NATS preserves the order of one publisher
  await eventually(() => last.wakes() === 1)
  t.strictSame(
    [same, lower, higher, other].map(({ wakes }) => wakes()),
    [1, 1, 0, 0],
  )
  say([idOf(1), 4])
  await eventually(() => higher.wakes() === 1)
  t.equal(same.wakes(), 2, 'a watch continues after a notice')
  await Promise.all([same, lower, higher, other, last].map(({ end }) => end()))
  t.equal(notices.count, 0)
})

t.test('a notice that arrives before the first wait is not lost', async (t) => {
  const watch = notices.watch(new Map([[idOf(1), 1]]), 'a caller')
  const after = probe(2, 1)
  say([idOf(1), 1])
  say([idOf(2), 1])
  await eventually(() => after.wakes() === 1)
  await watch.noticed(longMs, forever)
  watch.end()
  await after.end()
  t.equal(notices.count, 0)
})

t.test('a wait ends on timeout and on abort', async (t) => {
  const watch = notices.watch(new Map([[idOf(1), 1]]), 'a caller')
  await watch.noticed(1, forever)
  await watch.noticed(longMs, AbortSignal.abort())
  watch.end()
  t.equal(notices.count, 0)
})

t.test('malformed notices are ignored', async (t) => {
  const watch = probe(1, 1)
  for (const text of ['', '{', 'null', '{}', '{"applied": 5}', '{"applied": [null]}', '[]'])
    projector.publish(subject, text)
  say([idOf(1), 1])
  await eventually(() => watch.wakes() === 1)
  await watch.end()
  t.equal(notices.count, 0)
})

t.test('notices arrive again after NATS restarts', async (t) => {
  const watch = probe(1, 1)
  await server.kill()
  await eventually(() => link.connection() === undefined)
  await server.start()
  await eventually(
    () => {
      say([idOf(1), 1])
      return watch.wakes() > 0
    },
    { timeoutMs: 20_000 },
  )
  await watch.end()
  t.equal(notices.count, 0)
})

t.test('one caller does not take all watches', async (t) => {
  const notices = new AppliedNotices()
  const watches = Array.from({ length: maxWatchesOfOne }, (_, number) =>
    notices.watch(new Map([[idOf(number), 1]]), 'greedy'),
  )
  t.throws(() => notices.watch(new Map([[idOf(1), 1]]), 'greedy'), { code: 'rate-limited' })
  notices.watch(new Map([[idOf(1), 1]]), 'ordinary').end()
  watches[0]?.end()
  notices.watch(new Map([[idOf(1), 1]]), 'greedy').end()
})

t.test('the number of watches is bounded; ending one frees its place once', async (t) => {
  const watches = Array.from({ length: maxWatches }, (_, number) =>
    notices.watch(new Map([[idOf(number % 10), 1]]), `caller ${number}`),
  )
  t.equal(notices.count, maxWatches)
  t.throws(() => notices.watch(new Map([[idOf(1), 1]]), 'a caller'), new Refusal('overloaded'))
  watches[0]?.end()
  watches[0]?.end()
  watches.push(notices.watch(new Map([[idOf(1), 1]]), 'a caller'))
  t.throws(() => notices.watch(new Map([[idOf(1), 1]]), 'a caller'), { code: 'overloaded' })
  for (const watch of watches) watch.end()
  t.equal(notices.count, 0)
})
