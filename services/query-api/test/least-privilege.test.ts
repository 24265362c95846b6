import type { UserReadDocument, UserReadTombstone, UserStatsSums } from '@cqrs/contracts'
import { freshDatabase } from '@cqrs/local-stack/testing'
import { MongoClient } from 'mongodb'
import t from 'tap'
import { queryApiOn, setUpReadStore } from './fixtures/query-api.ts'
import { idOf, sums, tombstone, user } from './fixtures/users.ts'

// A user of this database only, with MongoDB's built-in role `read`.
const { db, name, uri } = await freshDatabase(t)
await setUpReadStore(db)
await db.collection<UserReadDocument>('users_read_v1').insertMany([user(1), user(2)])
await db
  .collection<UserStatsSums>('user_stats_v1')
  .insertOne(sums({ users: 2, byRole: { buyer: 2, seller: 0, admin: 0 } }))
await db.command({ createUser: 'reader', pwd: 'reader', roles: [{ role: 'read', db: name }] })
t.teardown(() => db.command({ dropUser: 'reader' }))
const readerUri = new URL(uri)
readerUri.username = 'reader'
readerUri.password = 'reader'
readerUri.searchParams.set('authSource', name)

t.test('query-api works with a database user that can only read', async (t) => {
  const { get } = await queryApiOn(t, readerUri.href)
  t.match(await get('/readyz'), { status: 200, body: { checks: { mongodb: 'up' } } })
  t.match(await get(`/api/v1/users/${idOf(1)}`), { status: 200, body: { id: idOf(1) } })
  t.match(await get(`/api/v1/users/${idOf(1)}`, { 'x-min-version': '1' }), { status: 200 })
  t.match(await get(`/api/v1/users/${idOf(3)}`), { status: 404 })
  t.match(await get('/api/v1/users'), { status: 200, body: { pagination: { total: 2 } } })
  t.match(await get('/api/v1/users/by-role/buyer'), { status: 200, body: { pagination: { total: 2 } } })
  t.match(await get('/api/v1/stats/users'), { status: 200, body: { users: 2 } })
})

t.test('that database user cannot write', async (t) => {
  const client = await new MongoClient(readerUri.href).connect()
  t.teardown(() => client.close())
  const users = client.db().collection<UserReadTombstone>('users_read_v1')
  const unauthorized = { code: 13 }
  await t.rejects(users.insertOne(tombstone(3)), unauthorized)
  await t.rejects(users.updateOne({ _id: idOf(1) }, { $set: { version: 9 } }), unauthorized)
  await t.rejects(users.deleteOne({ _id: idOf(1) }), unauthorized)
  await t.rejects(users.drop(), unauthorized)
  await t.rejects(users.aggregate([{ $out: 'copy' }]).toArray(), unauthorized)
})
