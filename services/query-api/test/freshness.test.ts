import {
  appliedSubject,
  consistencyToken,
  readConsistencyToken,
  readModelsCollection,
  routes,
  type UserReadDocument,
} from '@cqrs/contracts'
import { eventually, freshNats } from '@cqrs/local-stack/testing'
import { connect } from '@nats-io/transport-node'
import type { Collection } from 'mongodb'
import t, { type Test } from 'tap'
import { freshReadStore, queryApiOn, startQueryApi } from './fixtures/query-api.ts'
import { entry, idOf, sums, tombstone, user } from './fixtures/users.ts'

const lists = {
  'a list': '/api/v1/users',
  'a list by name': '/api/v1/users?sort=name',
  'a search': '/api/v1/users?q=user',
  'a list by role': '/api/v1/users/by-role/buyer',
  'the directory': '/api/v1/directory/users?word=user',
}
const every = { ...lists, 'a look-up': `/api/v1/users/${idOf(1)}`, statistics: routes.userStats.path }

const after = (...tokens: unknown[]) => ({ 'consistency-token': tokens.join(', ') })
/** The token of a command that changed these users. */
const changed = (...users: [number: number, version: number][]) =>
  consistencyToken({ users: users.map(([number, version]) => [idOf(number), version]) })
const usersIn = (token: unknown) => readConsistencyToken(String(token))?.users

t.test('every query waits until what it reads has the version of a command', async (t) => {
  for (const [what, path] of Object.entries(every)) {
    const { get, stored, stats, directory, db, notices } = await startQueryApi(t, { timeoutMs: 30_000 })
    await stored.insertOne(user(1))
    await directory.insertOne(entry(1))
    await stats.insertMany([sums({ users: 1 }), { _id: idOf(1), version: 1 } as never])
    t.match(await get(path, after(changed([1, 1]))), { status: 200 }, `${what} that need not wait`)
    const answer = get(path, after(changed([1, 2])))
    await eventually(() => notices.count === 1)
    for (const users of [stored, directory] as Collection<UserReadDocument>[])
      await users.updateOne({ _id: idOf(1) }, { $set: { version: 2, name: 'User changed' } })
    await db.collection<{ _id: string }>('user_stats_v1').updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
    const { status, body, headers } = await answer
    t.equal(status, 200, what)
    if ('data' in body) t.equal(body.data[0].name, 'User changed', what)
    if ('name' in body) t.equal(body.name, 'User changed', what)
    t.match(readConsistencyToken(String(headers['consistency-token'])), { database: String, time: String }, what)
  }
})

t.test('what does not come in time is refused', async (t) => {
  const { get, stored } = await startQueryApi(t, { timeoutMs: 50 })
  await stored.insertOne(user(1))
  for (const [what, path] of Object.entries(every))
    t.match(
      await get(path, after(changed([1, 2]))),
      { status: 503, headers: { 'retry-after': /^[1-9]/ }, body: { code: 'read-model-behind' } },
      what,
    )
})

t.test('a user stays in the token until every read model has its version', async (t) => {
  const { get, stored, stats, directory, db } = await startQueryApi(t, { timeoutMs: 50 })
  const path = `/api/v1/users/${idOf(1)}`
  await stored.insertMany([user(1), user(2)])
  await directory.insertMany([entry(1), entry(2)])
  const first = await get(path, after(changed([1, 1], [2, 1])))
  t.match(first, { status: 200 })
  t.strictSame(
    usersIn(first.headers['consistency-token'])
      ?.map(([id]) => id)
      .sort(),
    [idOf(1), idOf(2)],
  )
  t.match(await get(routes.userStats.path, after(first.headers['consistency-token'])), { status: 503 })
  await stats.insertMany([1, 2].map((number) => ({ _id: idOf(number), version: 1 }) as never))
  const second = await get(path, after(first.headers['consistency-token']))
  t.strictSame(usersIn(second.headers['consistency-token']), [])
  t.match(await get(routes.userStats.path, after(second.headers['consistency-token'])), { status: 200 })

  // An older query-api may read the shape that was live before.
  const older = { _id: 'user_directory_v1', written: [] as string[] }
  await db.collection<typeof older>(readModelsCollection).updateOne(older, { $set: { written: [older._id] } })
  const third = await get(path, after(changed([1, 1])))
  t.strictSame(usersIn(third.headers['consistency-token']), [[idOf(1), 1]])
  await db.collection<UserReadDocument>(older._id).insertOne(user(1))
  const fourth = await get(path, after(third.headers['consistency-token']))
  t.strictSame(usersIn(fourth.headers['consistency-token']), [])
})

t.test('what one query-api has shown, another one does not take back, whatever it remembers', async (t) => {
  const store = await freshReadStore(t)
  // Notices never arrive, and nothing expires: only a token makes it read again.
  const [one, other] = [
    await queryApiOn(t, store.uri, { cacheTtlMs: 600_000 }),
    await queryApiOn(t, store.uri, { cacheTtlMs: 600_000 }),
  ]
  const path = `/api/v1/users/${idOf(1)}`
  await store.stored.insertOne(user(1))
  t.match(await other.get(path), { status: 200, body: { version: 1 } })
  await store.stored.updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
  const updated = await one.get(path)
  t.match(updated, { status: 200, body: { version: 2 } })
  t.match(await other.get(path), { body: { version: 1 } }, 'remembered')
  t.match(await other.get(path, after(updated.headers['consistency-token'])), { body: { version: 2 } })

  await store.stored.replaceOne({ _id: idOf(1) }, tombstone(1, 3))
  const listed = await one.get('/api/v1/users')
  t.match(listed.body, { data: [] })
  t.match(await other.get(path), { status: 200 }, 'remembered')
  const gone = await other.get(path, after(listed.headers['consistency-token']))
  t.match(gone, { status: 404, headers: { 'consistency-token': String } })
  t.match(await one.get(path), { status: 200 }, 'remembered')
  t.match(await one.get(path, after(gone.headers['consistency-token'])), { status: 404 })
})

t.test('an answer from memory is new enough for the token that it had itself', async (t) => {
  const { get, stored } = await startQueryApi(t, { cacheTtlMs: 600_000 })
  const path = `/api/v1/users/${idOf(1)}`
  await stored.insertOne(user(1))
  const first = await get(path)
  await stored.deleteMany({})
  const second = await get(path, after(first.headers['consistency-token']))
  t.match(second, { status: 200, headers: { 'consistency-token': first.headers['consistency-token'] } })
})

t.test('several tokens count together', async (t) => {
  const { get, stored, stats } = await startQueryApi(t, { timeoutMs: 50 })
  await stored.insertMany([user(1), user(2)])
  await stats.insertMany([1, 2].map((number) => ({ _id: idOf(number), version: 1 }) as never))
  const path = '/api/v1/users'
  t.match(await get(path, after(changed([1, 1]), changed([2, 1]))), { status: 200 })
  t.match(await get(path, after(changed([1, 1]), changed([2, 2]), changed([2, 1]))), { status: 503 })
})

t.test('of another read database, only the users count', async (t) => {
  const store = await freshReadStore(t)
  const { get } = await queryApiOn(t, store.uri, { timeoutMs: 50 })
  const [inAYear, path] = [String(BigInt(Math.floor(Date.now() / 1_000) + 31_536_000) << 32n), '/api/v1/users']
  const foreign = consistencyToken({ users: [], database: 'another', time: inAYear })
  t.match(await get(path, after(foreign)), { status: 200 })
  t.match(await get(path, after(foreign, changed([1, 1]))), { status: 503 })
})

t.test('an invalid token is refused, with the reason', async (t) => {
  const { get, stored } = await startQueryApi(t)
  await stored.insertOne(user(1))
  const { headers } = await get('/api/v1/users')
  const token = readConsistencyToken(String(headers['consistency-token']))
  const at = (seconds: number) => String(BigInt(Math.floor(Date.now() / 1_000) + seconds) << 32n)
  const refused = (detail: RegExp) => ({
    status: 400,
    body: { code: 'validation-failed', errors: [{ pointer: '#/headers/consistency-token', detail }] },
  })
  const many = Array.from({ length: 21 }, (_, number): [number, number] => [number, 1])
  for (const path of Object.values(every)) {
    for (const text of ['', '%', 'abc', 'e30', ','])
      t.match(await get(path, after(text)), refused(/must be tokens of answers/), text)
    for (const time of [at(60), at(31_536_000), '9'.repeat(19)])
      t.match(await get(path, after(consistencyToken({ ...token, users: [], time }))), refused(/never was/), time)
    t.match(await get(path, after(changed(...many))), refused(/at most 20 users/))
  }
})

t.test('a token from before the tombstones that read models keep does not name users any more', async (t) => {
  const { get, stored } = await startQueryApi(t, { timeoutMs: 50 })
  await stored.insertOne(user(1))
  t.match(await get('/api/v1/users', after(changed([2, 1]))), { status: 503 })
  const now = Date.now()
  t.intercept(Date, 'now', { value: () => now - 31 * 24 * 3_600_000 })
  const old = changed([2, 1])
  t.intercept(Date, 'now', { value: () => now })
  t.match(await get('/api/v1/users', after(old)), { status: 200 })
})

t.test('a page is one moment: a user that is renamed all the time is in each, once', async (t) => {
  const { get, stored } = await startQueryApi(t)
  await stored.insertMany([1, 2, 3].map((number) => user(number)))
  const isRenaming = keepRenaming(t, (version, name) => stored.updateOne({ _id: idOf(2) }, { $set: { version, name } }))
  const wrong: string[] = []
  for (const path of ['/api/v1/users?q=user', '/api/v1/users?q=u', '/api/v1/users?sort=name'])
    for (let n = 0; n < 100; n++) {
      const { body } = await get(path)
      const found = body.data.filter(({ id }: { id: string }) => id === idOf(2)).length
      if (found !== 1 || body.data.length !== 3) wrong.push(`${path}: ${found} of ${body.data.length}`)
    }
  t.ok(isRenaming.count() > 50, 'it was renamed all the time')
  t.strictSame(wrong, [])
})

t.test('with its own tokens, no client sees a step back over several query-apis, and a switch', async (t) => {
  const store = await freshReadStore(t)
  const apis = [await queryApiOn(t, store.uri), await queryApiOn(t, store.uri, { cacheTtlMs: 600_000 })]
  const next = store.db.collection<UserReadDocument>('users_read_v1_2')
  await store.stored.insertOne(user(1))
  await next.insertOne(user(1))
  // As the projector does: the newer collection first.
  const isRenaming = keepRenaming(t, async (version, name) => {
    await next.updateOne({ _id: idOf(1) }, { $set: { version, name } })
    await store.stored.updateOne({ _id: idOf(1) }, { $set: { version, name } })
  })
  const paths = [...Object.values(lists), `/api/v1/users/${idOf(1)}`]
  let [token, newest, checked]: [unknown, number, number] = ['', 0, 0]
  const wrong: string[] = []
  for (let n = 0; n < 300; n++) {
    if (n === 150)
      await store.db
        .collection<{ _id: string }>('read_models')
        .insertOne({ _id: 'users_read_v1', live: 'users_read_v1_2', written: ['users_read_v1'] } as never)
    const path = paths[n % paths.length] as string
    const { status, body, headers } = await (apis[n % 2] as (typeof apis)[0]).get(path, token ? after(token) : {})
    const version = body.version ?? body.data?.[0]?.version
    if (status !== 200 || version < newest) wrong.push(`${path}: ${status}, version ${version} after ${newest}`)
    ;[token, newest, checked] = [headers['consistency-token'], version, checked + 1]
  }
  t.strictSame(wrong, [])
  t.ok(isRenaming.count() > 50 && newest > 50)
})

t.test('a notice of any read model wakes a query', async (t) => {
  const broker = await freshNats(t)
  const { get, stored, stats, nats, notices } = await startQueryApi(t, { natsUrl: broker.url, timeoutMs: 30_000 })
  const projector = await connect({ servers: broker.url })
  t.teardown(() => projector.close())
  await eventually(async () => (await nats.connection()?.flush()) === undefined && nats.connection() !== undefined)
  await stored.insertOne(user(1))
  const answer = get(routes.userStats.path, after(changed([1, 1])))
  await eventually(() => notices.count === 1)
  await stats.insertOne({ _id: idOf(1), version: 1 } as never)
  projector.publish(appliedSubject('user_stats_v1'), JSON.stringify({ applied: [[idOf(1), 1]] }))
  t.match(await answer, { status: 200 })
})

function keepRenaming(t: Test, rename: (version: number, name: string) => Promise<unknown>) {
  let [version, isRunning] = [1, true]
  const running = (async () => {
    while (isRunning) {
      version++
      await rename(version, version % 2 === 0 ? 'User 2' : 'Zoe')
    }
  })()
  t.teardown(async () => {
    isRunning = false
    await running
  })
  return { count: () => version }
}
