import { request } from 'node:http'
import { appliedSubject, type UserReadDocument } from '@cqrs/contracts'
import { eventually, freshNats } from '@cqrs/local-stack/testing'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { maxWatches, maxWatchesOfOne } from '../src/freshness/applied-notices.ts'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, tombstone, user } from './fixtures/users.ts'

const path = (number: number) => `/api/v1/users/${idOf(number)}`
const from = (version: number) => ({ 'x-min-version': String(version) })

const broker = await freshNats(t)
const projector = await connect({ servers: broker.url })
t.teardown(() => projector.close())
const notify = (number: number, version: number) =>
  projector.publish(appliedSubject('users_read_v1'), JSON.stringify({ applied: [[idOf(number), version]] }))

for (const [what, natsUrl] of [
  ['with notices', broker.url],
  ['without NATS, or with missed notices', undefined],
] as const) {
  t.test(what, async (t) => {
    // Much longer than any of these waits.
    const { get, stored, notices, nats } = await startQueryApi(t, { timeoutMs: 30_000, ...(natsUrl && { natsUrl }) })
    if (natsUrl) await eventually(async () => nats.connection() !== undefined)
    t.match((await get('/readyz')).body, { status: natsUrl ? 'ready' : 'degraded' })
    await stored.insertMany([{ ...user(1), version: 2 }, { ...user(2), version: 4 }, tombstone(3, 3), user(5)])
    const isWaiting = () => eventually(() => notices.count === 1)
    const told = (number: number, version: number) => natsUrl && notify(number, version)

    t.test('a version that is present is answered at once', async (t) => {
      for (const version of [1, 2]) t.match(await get(path(1), from(version)), { status: 200, body: { version: 2 } })
    })

    t.test('a later version is awaited', async (t) => {
      const answer = get(path(1), from(3))
      await isWaiting()
      const changed: UserReadDocument = { ...user(1), name: 'New', version: 3 }
      await stored.replaceOne({ _id: idOf(1) }, changed)
      told(1, 3)
      t.match(await answer, { status: 200, headers: { etag: '"3"' }, body: { name: 'New', version: 3 } })
    })

    t.test('a skipped version is answered by a higher one', async (t) => {
      const answer = get(path(1), from(4))
      await isWaiting()
      await stored.replaceOne({ _id: idOf(1) }, { ...user(1), version: 9 })
      told(1, 9)
      t.match(await answer, { status: 200, body: { version: 9 } })
    })

    t.test('a lower version that arrives during the wait is not returned', async (t) => {
      const answer = get(path(2), from(6))
      await isWaiting()
      await stored.replaceOne({ _id: idOf(2) }, { ...user(2), version: 5 })
      told(2, 5)
      await stored.replaceOne({ _id: idOf(2) }, { ...user(2), version: 6 })
      told(2, 6)
      t.match(await answer, { status: 200, body: { version: 6 } })
    })

    t.test('an unknown user is awaited', async (t) => {
      const answer = get(path(4), from(1))
      await isWaiting()
      await stored.insertOne(user(4))
      told(4, 1)
      t.match(await answer, { status: 200, body: { id: idOf(4), version: 1 } })
    })

    t.test('a deletion is awaited and answered 404', async (t) => {
      const answer = get(path(5), from(2))
      await isWaiting()
      await stored.replaceOne({ _id: idOf(5) }, tombstone(5))
      told(5, 2)
      t.match(await answer, { status: 404, body: { code: 'user-not-found' } })
    })

    t.test('a deletion that is present is answered at once', async (t) => {
      for (const version of [2, 3]) t.match(await get(path(3), from(version)), { status: 404 })
    })

    t.test('an older tombstone is awaited like any older version', async (t) => {
      const answer = get(path(3), from(4))
      await isWaiting()
      await stored.replaceOne({ _id: idOf(3) }, tombstone(3, 4))
      told(3, 4)
      t.match(await answer, { status: 404 })
    })

    t.test('many queries wait for different users', async (t) => {
      const numbers = Array.from({ length: 40 }, (_, index) => 100 + index)
      const answers = numbers.map((number) => get(path(number), from(1)))
      await eventually(() => notices.count === numbers.length)
      for (const number of numbers) {
        await stored.insertOne(user(number))
        told(number, 1)
      }
      for (const [index, answer] of (await Promise.all(answers)).entries()) {
        t.match(answer, { status: 200, body: { id: idOf(100 + index) } })
      }
    })

    t.test('no watch remains', async (t) => t.equal(notices.count, 0))
  })
}

t.test('a wait that times out is answered 503 with Retry-After', async (t) => {
  const { get, stored, notices } = await startQueryApi(t, { timeoutMs: 5 })
  await stored.insertMany([user(1), tombstone(2)])
  for (const [number, version] of [
    [1, 2],
    [2, 3],
    [3, 1],
    [1, 999_999_999_999_999],
  ] as const) {
    const { status, headers, body } = await get(path(number), from(version))
    t.equal(status, 503)
    t.match(headers, { 'content-type': /^application\/problem\+json/, 'retry-after': /^[1-9]\d*$/ })
    t.match(body, { code: 'read-model-behind', status: 503 })
  }
  t.equal(notices.count, 0)
  t.match(await get(path(1)), { status: 200, body: { version: 1 } }, 'without the header it does not wait')
})

t.test('a timeout of 0 looks once and does not wait', async (t) => {
  const { get, stored } = await startQueryApi(t, { timeoutMs: 0 })
  await stored.insertOne(user(1))
  t.match(await get(path(1), from(1)), { status: 200 })
  t.match(await get(path(1), from(2)), { status: 503, body: { code: 'read-model-behind' } })
})

t.test('one caller that waits too often is refused, and others are not', async (t) => {
  const { app, get, mint, stored, notices } = await startQueryApi(t, { timeoutMs: 30_000 })
  await stored.insertOne(user(1))
  const authorization = `Bearer ${mint()}`
  const url = new URL(path(1), app.listeningOrigin)
  const waiting = Array.from({ length: maxWatchesOfOne }, () =>
    request(url, { headers: { authorization, ...from(2) } }).on('error', () => {}),
  )
  for (const one of waiting) one.end()
  await eventually(() => notices.count === maxWatchesOfOne)
  const refused = await get(path(1), from(2))
  t.match(refused, { status: 429, headers: { 'retry-after': '1' }, body: { code: 'rate-limited' } })
  t.match(await get(path(1)), { status: 200 }, 'a query that does not wait is answered')

  const other = fetch(url, { headers: { authorization: `Bearer ${mint({ sub: idOf(2) })}`, ...from(2) } })
  await eventually(() => notices.count === maxWatchesOfOne + 1)
  await stored.replaceOne({ _id: idOf(1) }, { ...user(1), version: 2 })
  t.equal((await other).status, 200)
  for (const one of waiting) one.destroy()
})

t.test('the number of waiting queries is bounded; a client that disconnects frees its place', async (t) => {
  const { app, bearer, get, stored, notices } = await startQueryApi(t, { timeoutMs: 30_000 })
  await stored.insertOne(user(1))
  for (let number = 1; number < maxWatches; number++) notices.watch(new Map([[idOf(number), 1]]), `caller ${number}`)

  const url = new URL(path(1), app.listeningOrigin)
  const waiting = request(url, { headers: { ...bearer, ...from(2) } }).on('error', () => {})
  waiting.end()
  await eventually(() => notices.count === maxWatches)

  const refused = await get(path(1), from(2))
  t.match(refused, { status: 503, headers: { 'retry-after': /^[1-9]\d*$/ }, body: { code: 'overloaded' } })
  t.match(await get(path(1), from(1)), { status: 200 }, 'a query that need not wait is answered')
  t.match(await get(path(1)), { status: 200 })

  waiting.destroy()
  await eventually(() => notices.count === maxWatches - 1)

  const answer = fetch(url, { headers: { ...bearer, ...from(2) } })
  await eventually(() => notices.count === maxWatches)
  await stored.replaceOne({ _id: idOf(1) }, { ...user(1), version: 2 })
  t.match(await (await answer).json(), { id: idOf(1), version: 2 })
})
