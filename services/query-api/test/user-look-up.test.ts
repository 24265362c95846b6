import type { UserReadDocument, UserReadTombstone } from '@cqrs/contracts'
import { freshDatabase } from '@cqrs/local-stack/testing'
import { type Document, MongoClient } from 'mongodb'
import t, { type Test } from 'tap'
import { UserCache } from '../src/by-id/user-cache.ts'
import { UserLookUp } from '../src/by-id/user-look-up.ts'
import { ReadDatabase } from '../src/read-store/read-database.ts'
import { UserReadRepository } from '../src/read-store/user-read-repository.ts'
import { holdNext } from './fixtures/hold-next.ts'
import { idOf, tombstone, user } from './fixtures/users.ts'

t.test('concurrent look-ups share one query, and those of one user one read', async (t) => {
  const { lookUp, stored, queries } = await start(t)
  await stored.insertMany([1, 2, 3].map((number) => user(number)))
  const wanted = Array.from({ length: 300 }, (_, index) => idOf((index % 4) + 1))
  const found = await Promise.all(wanted.map((id) => lookUp.find(id)))
  t.strictSame(
    queries.map(({ filter }) => [...filter._id.$in].sort()),
    [[1, 2, 3, 4].map(idOf)],
  )
  t.ok(found.every((one, index) => (wanted[index] === idOf(4) ? one.version === 0 : one.version === 1)))
  await Promise.all(wanted.map((id) => lookUp.find(id)))
  t.strictSame(
    queries.slice(1).map(({ filter }) => filter._id.$in),
    [[idOf(4)]],
    'an unknown user is read again',
  )
})

t.test('look-ups beyond the running queries are batched, within bounds', async (t) => {
  const { lookUp, stored, queries } = await start(t)
  await stored.insertMany(Array.from({ length: 1_000 }, (_, number) => user(number)))
  const found = await Promise.all(Array.from({ length: 1_000 }, (_, number) => lookUp.find(idOf(number))))
  t.ok(found.every((one) => one?.version === 1))
  t.equal(queries.length, 5)
  const tooMany = Array.from({ length: 5_001 }, (_, number) => lookUp.find(idOf(10_000 + number)))
  await t.rejects(Promise.all(tooMany), { code: 'overloaded' })
  t.equal((await Promise.allSettled(tooMany)).filter(({ status }) => status === 'rejected').length, 1)
})

t.test('a notice drops only older versions', async (t) => {
  const { lookUp, cached, stored, queries } = await start(t)
  await stored.insertMany([user(1), { ...user(2), version: 5 }])
  await Promise.all([lookUp.find(idOf(1)), lookUp.find(idOf(2))])
  lookUp.outdate(idOf(2), 5)
  t.match(cached(idOf(2)), { version: 5, etag: '"5"' })
  await stored.updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
  lookUp.outdate(idOf(1), 2)
  t.equal(cached(idOf(1)), undefined)
  t.match(await lookUp.find(idOf(1)), { version: 2 })
  t.equal(queries.length, 2)
})

t.test('a notice that overtakes a look-up keeps the older version out of the cache', async (t) => {
  const { lookUp, cached, stored, hold } = await start(t)
  await stored.insertOne(user(1))
  const release = hold()
  const before = lookUp.find(idOf(1))
  await release.isHeld
  await stored.updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
  lookUp.outdate(idOf(1), 2)
  const after = lookUp.find(idOf(1))
  release()
  t.match(await before, { version: 1 }, 'a look-up from before the notice may return the older version')
  t.match(await after, { version: 2 }, 'a later one does not')
  t.match(cached(idOf(1)), { version: 2 })
})

t.test('the same when the older answer arrives last', async (t) => {
  const { lookUp, cached, stored, hold } = await start(t)
  await stored.insertOne(user(1))
  const release = hold()
  const before = lookUp.find(idOf(1))
  await release.isHeld
  await stored.updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
  lookUp.outdate(idOf(1), 2)
  t.match(await lookUp.find(idOf(1)), { version: 2 })
  await stored.updateOne({ _id: idOf(1) }, { $set: { version: 3 } })
  lookUp.outdate(idOf(1), 3)
  release()
  t.match(await before, { version: 1 })
  t.equal(cached(idOf(1)), undefined)
})

t.test('after missed notices nothing older stays in the cache or is added late', async (t) => {
  const { lookUp, cached, stored, hold } = await start(t)
  await stored.insertMany([user(1), user(2)])
  await lookUp.find(idOf(1))
  const release = hold()
  const before = lookUp.find(idOf(2))
  await release.isHeld
  lookUp.outdateAll()
  release()
  await before
  t.equal(cached(idOf(1)), undefined)
  t.equal(cached(idOf(2)), undefined)
})

t.test('no personal data of a deleted user remains', async (t) => {
  const { lookUp, cached, stored } = await start(t)
  await stored.insertOne(user(1))
  await lookUp.find(idOf(1))
  await stored.replaceOne({ _id: idOf(1) }, tombstone(1))
  lookUp.outdate(idOf(1), 2)
  t.equal(cached(idOf(1)), undefined)
  await lookUp.find(idOf(1))
  t.match(cached(idOf(1)), { version: 2, etag: '"2"', body: undefined })
  t.equal(cached(idOf(1))?.body, undefined)
})

t.test('a look-up of a higher version skips the cached one', async (t) => {
  const { lookUp, cached, stored } = await start(t)
  await stored.insertOne(user(1))
  await lookUp.find(idOf(1))
  await stored.updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
  t.match(lookUp.find(idOf(1), 1), { version: 1 }, 'answered from memory, without a promise')
  t.match(await lookUp.find(idOf(1), 2), { version: 2 })
  t.match(cached(idOf(1)), { version: 2 })
})

t.test('a failed query fails only the look-ups that wait for it', async (t) => {
  const { lookUp, stored, db } = await start(t)
  await stored.insertOne(user(1))
  await lookUp.find(idOf(2)) // connects
  await db.client.close()
  t.strictSame(
    (await Promise.allSettled([lookUp.find(idOf(1)), lookUp.find(idOf(1))])).map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  await db.client.connect()
  t.match(await lookUp.find(idOf(1)), { version: 1 })
})

t.test('if a member lags behind a notice or the wanted version, the primary is read', async (t) => {
  const { stored, db, queries } = await start(t)
  await stored.insertOne(user(1))
  const database = new ReadDatabase(db, 'secondaryPreferred')
  const { lookUp } = lookUpOn(t, database, new UserReadRepository(database))
  const readPreferences = () => queries.map(({ $readPreference }) => $readPreference?.mode)
  await lookUp.find(idOf(1))
  t.strictSame(readPreferences(), ['secondaryPreferred'])
  lookUp.outdate(idOf(1), 2)
  await lookUp.find(idOf(1))
  t.strictSame(readPreferences().slice(1), ['secondaryPreferred', 'primaryPreferred'])
  queries.length = 0
  await lookUp.find(idOf(2), 1)
  t.strictSame(readPreferences(), ['secondaryPreferred', 'primaryPreferred'])
})

async function start(t: Test) {
  const { db: stored, uri } = await freshDatabase(t)
  const client = await new MongoClient(uri, { monitorCommands: true }).connect()
  t.teardown(() => client.close())
  const db = client.db()
  const queries: Document[] = []
  client.on('commandStarted', ({ command }) => {
    const [own] = (command['pipeline'] ?? []).flatMap((stage: Document) => stage['$unionWith'] ?? [])
    if (own) queries.push({ ...command, filter: own.pipeline[0].$match })
  })
  const database = new ReadDatabase(db)
  const users = new UserReadRepository(database)
  return {
    db,
    queries,
    stored: stored.collection<UserReadDocument | UserReadTombstone>('users_read_v1'),
    ...lookUpOn(t, database, users),
    /** Holds back the next answer of the database until the returned function is called. */
    hold: () => holdNext(users),
  }
}

function lookUpOn(t: Test, database: ReadDatabase, users: UserReadRepository) {
  const cache = new UserCache({ lifetimeMs: 3_600_000, maxBytes: 2 ** 20 })
  const lookUp = new UserLookUp({ database, users, cache })
  t.teardown(() => lookUp.close())
  /** The user that is answered from memory. */
  const cached = (id: string) => cache.get(id)
  return { lookUp, cached }
}
