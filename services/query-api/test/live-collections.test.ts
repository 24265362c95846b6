import { readModelsCollection, type ShapeState, type UserReadDocument, type UserStatsSums } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import type { Db } from 'mongodb'
import t from 'tap'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, sums, user } from './fixtures/users.ts'

const path = `/api/v1/users/${idOf(1)}`

t.test('by default the live collection has the name of the read model', async (t) => {
  const { db, get, stored, stats } = await startQueryApi(t)
  await db.collection<ShapeState>(readModelsCollection).insertOne({ _id: 'another', live: 'x', written: [] })
  await stored.insertOne(user(1))
  await stats.insertOne(sums({ users: 1 }))
  t.match(await get(path), { status: 200 })
  t.match((await get('/api/v1/users')).body, { data: [{ id: idOf(1) }], pagination: { total: 1 } })
  t.match((await get('/api/v1/stats/users')).body, { users: 1 })
})

t.test('only the live collection is read', async (t) => {
  const { db, get, stored, stats } = await startQueryApi(t)
  await stored.insertMany([{ ...user(1), name: 'Old' }, user(2)])
  await stats.insertOne(sums({ users: 2 }))
  await usersOf(db, 'users_read_v1_2').insertOne({ ...user(1), name: 'New' })
  await db
    .collection<UserStatsSums>('user_stats_v1_2')
    .insertOne(sums({ users: 1, byRole: { buyer: 1, seller: 0, admin: 0 } }))
  await makeLive(db, 'users_read_v1', 'users_read_v1_2')
  await makeLive(db, 'user_stats_v1', 'user_stats_v1_2')

  await eventually(async () => (await get(path)).body.name === 'New')
  t.equal((await get(`/api/v1/users/${idOf(2)}`)).status, 404)
  for (const list of ['/api/v1/users', '/api/v1/users/by-role/buyer']) {
    t.match((await get(list)).body, { data: [{ name: 'New' }], pagination: { total: 1 } })
  }
  t.match((await get('/api/v1/stats/users')).body, { users: 1 })
})

t.test('during a switch no query fails and no answer is older than the previous one', async (t) => {
  const { db, get, stored } = await startQueryApi(t)
  const next = usersOf(db, 'users_read_v1_2')
  await stored.insertOne({ ...user(1), name: 'from the old' })
  await next.insertOne({ ...user(1), name: 'from the new' })

  // Like the projector: writes each version to both collections, to the new one first.
  let version = 1
  let isWriting = true
  const writing = (async () => {
    while (isWriting) {
      version++
      await next.updateOne({ _id: idOf(1) }, { $set: { version } })
      await stored.updateOne({ _id: idOf(1) }, { $set: { version } })
    }
  })()

  const seen: { status: number; name: string; version: number }[] = []
  const query = async () => {
    const { status, body } = await get(path)
    seen.push({ status, name: body.name, version: body.version })
    return body.name
  }
  while (seen.length < 50) await query()
  await makeLive(db, 'users_read_v1', 'users_read_v1_2')
  await eventually(async () => (await query()) === 'from the new', { timeoutMs: 20_000, intervalMs: 0 })
  for (let more = 0; more < 50; more++) await query()
  isWriting = false
  await writing

  t.ok(
    seen.every(({ status }) => status === 200),
    'no query failed',
  )
  t.ok(
    seen.every((one, index) => one.version >= (seen[index - 1]?.version ?? 0)),
    'versions never decrease',
  )
  const names = seen.map(({ name }) => name)
  t.equal(names.lastIndexOf('from the old') + 1, names.indexOf('from the new'), 'switched once')

  await stored.drop()
  t.match(
    await get(path),
    { status: 200, body: { name: 'from the new', version } },
    'the old collection is no longer read',
  )
})

t.test('a waiting query reads the collection that became live during the wait', async (t) => {
  const { db, get, stored, notices } = await startQueryApi(t, { timeoutMs: 30_000 })
  await stored.insertOne(user(1))
  const answer = get(path, { 'x-min-version': '2' })
  await eventually(() => notices.count === 1)
  await usersOf(db, 'users_read_v1_2').insertOne({ ...user(1), version: 2 })
  await makeLive(db, 'users_read_v1', 'users_read_v1_2')
  t.match(await answer, { status: 200, body: { version: 2 } })
})

const usersOf = (db: Db, name: string) => db.collection<UserReadDocument>(name)

const makeLive = (db: Db, readModel: string, live: string) =>
  db
    .collection<ShapeState>(readModelsCollection)
    .replaceOne({ _id: readModel }, { live, written: [readModel] }, { upsert: true })
