import { setImmediate } from 'node:timers/promises'
import { type AppliedNotice, appliedSubject } from '@cqrs/contracts'
import { eventually, freshNats } from '@cqrs/local-stack/testing'
import { connect } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, tombstone, user } from './fixtures/users.ts'

const broker = await freshNats(t)
const projector = await connect({ servers: broker.url })
t.teardown(() => projector.close())
const path = (number: number) => `/api/v1/users/${idOf(number)}`
// Longer than any test: only notices drop cached users.
const cacheTtlMs = 600_000

t.test('a cached answer equals the first one', async (t) => {
  const { get, stored } = await startCached(t)
  await stored.insertOne(user(1))
  const first = await get(path(1))
  await stored.deleteMany({})
  const second = await get(path(1))
  t.equal(second.status, 200)
  t.strictSame(second.body, first.body)
  const { date: _, 'x-request-id': __, ...headers } = first.headers
  t.match(second.headers, headers)
})

t.test('an update is never followed by an older answer once its notice has arrived', async (t) => {
  const { get, stored, arrival } = await startCached(t)
  const numbers = [1, 2, 3]
  const newest = new Map(numbers.map((number) => [number, 1]))
  await stored.insertMany(numbers.map((number) => user(number)))
  let isReading = true
  let answers = 0
  const older: string[] = []
  const read = async (number: number) => {
    while (isReading) {
      const atLeast = newest.get(number) ?? 0
      const { body } = await get(path(number))
      answers++
      // Answers from memory alone would never let the event loop read from the network.
      await setImmediate()
      if (!(body.version >= atLeast)) older.push(`version ${body.version} after the notice of ${atLeast}`)
    }
  }
  const reading = Promise.all([...numbers, ...numbers].map(read))
  for (let version = 2; version <= 150 && older.length === 0; version++) {
    const number = numbers[version % numbers.length] as number
    const arrived = arrival(number, version)
    await stored.updateOne({ _id: idOf(number) }, { $set: { version } })
    await arrived()
    newest.set(number, version)
    const { body } = await get(path(number))
    if (!(body.version >= version)) older.push(`version ${body.version} after the notice of ${version}`)
  }
  isReading = false
  await reading
  t.strictSame(older, [])
  t.ok(answers > 150)
})

t.test('the notice of a deletion removes the user from the cache', async (t) => {
  const { get, stored, arrival, cache } = await startCached(t)
  await stored.insertOne(user(1))
  t.match(await get(path(1)), { status: 200 })
  t.equal(cache.size, 1)
  const arrived = arrival(1, 2)
  await stored.replaceOne({ _id: idOf(1) }, tombstone(1))
  await arrived()
  t.equal(cache.size, 0, 'no personal data remains')
  t.match(await get(path(1)), { status: 404, body: { code: 'user-not-found' } })
})

t.test('an unknown user is found after registering', async (t) => {
  const { get, stored } = await startCached(t)
  t.match(await get(path(1)), { status: 404 })
  await stored.insertOne(user(1))
  t.match(await get(path(1)), { status: 200 })
})

t.test('X-Min-Version skips an older cached version', async (t) => {
  const { get, stored } = await startCached(t)
  await stored.insertOne(user(1))
  t.match(await get(path(1)), { body: { version: 1 } })
  await stored.updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
  t.match(await get(path(1)), { body: { version: 1 } }, 'no notice has arrived')
  t.match(await get(path(1), { 'x-min-version': '2' }), { status: 200, body: { version: 2 } })
  t.match(await get(path(1)), { body: { version: 2 } }, 'afterwards everyone gets it')
})

t.test('the cache is emptied when NATS reconnects', async (t) => {
  const { get, stored, nats } = await startCached(t)
  await stored.insertOne(user(1))
  t.match(await get(path(1)), { body: { version: 1 } })
  await broker.server.stop()
  await eventually(async () => nats.connection() === undefined)
  await stored.updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
  await broker.server.start()
  await eventually(async () => nats.connection() !== undefined)
  t.ok(await eventually(async () => (await get(path(1))).body.version === 2))
})

async function startCached(t: Test) {
  const api = await startQueryApi(t, { natsUrl: broker.url, cacheTtlMs })
  await eventually(
    async () => (await api.nats.connection()?.flush()) === undefined && api.nats.connection() !== undefined,
  )
  /** Call this before the change. Returns a function that publishes its notice and waits until it has arrived. */
  const arrival = (number: number, version: number) => {
    const watch = api.notices.watch(new Map([[idOf(number), version]]), 'a caller')
    return async () => {
      const notice: AppliedNotice = { applied: [[idOf(number), version]] }
      projector.publish(appliedSubject('users_read_v1'), JSON.stringify(notice))
      let hasArrived = false
      void watch.noticed(3_600_000, new AbortController().signal).then(() => {
        hasArrived = true
      })
      await eventually(() => hasArrived, { timeoutMs: 20_000, intervalMs: 1 })
      watch.end()
    }
  }
  return { ...api, arrival }
}
