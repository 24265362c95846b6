import type { ReadModelState } from '@cqrs/contracts'
import type { Db } from 'mongodb'
import t, { type Test } from 'tap'
import { LiveCollections } from '../../src/read-store/live-collections.ts'

t.test('concurrent queries share one read, which is reused for a second', async (t) => {
  const { collections, database } = start(t)
  t.strictSame(await Promise.all([1, 2, 3].map(() => collections.live())), ['first', 'first', 'first'])
  await collections.live()
  t.equal(database.asked, 1)
})

t.test('while there are queries the name is refreshed in the background', async (t) => {
  const { collections, database, clock } = start(t)
  await collections.live()
  database.live = 'second'
  clock.aheadMs += 501
  t.equal(await collections.live(), 'first', 'no query waits')
  await database.idle()
  t.equal(await collections.live(), 'second')
  t.equal(database.asked, 2)
})

t.test('a name that is older than a second is not used if the database answers', async (t) => {
  const { collections, database, clock } = start(t)
  await collections.live()
  database.live = 'second'
  clock.aheadMs += 1_001
  t.equal(collections.known(), undefined, 'not without waiting either')
  t.equal(await collections.live(), 'second')
})

t.test('if the refresh fails, the known name is used for 30 seconds', async (t) => {
  const { collections, database, clock } = start(t)
  await collections.live()
  database.failure = new Error('unavailable')
  for (const aheadMs of [1_001, 10_000, 29_000]) {
    clock.aheadMs = aheadMs
    t.equal(await collections.live(), 'first')
    t.equal(collections.known(), 'first', 'caches work without the database')
    await database.idle()
  }
  clock.aheadMs = 30_001
  await t.rejects(collections.live(), database.failure, 'after that the collection may no longer be written')
  database.failure = undefined
  database.live = 'second'
  t.equal(await collections.live(), 'second')
})

t.test('if the refresh hangs, the known name is used after a second', async (t) => {
  const { collections, database, clock } = start(t)
  await collections.live()
  database.answers = new Promise(() => {})
  clock.aheadMs = 2_000
  t.equal(await collections.live(), 'first')
})

t.test('after a long time without queries the first one waits for the name', async (t) => {
  const { collections, database, clock } = start(t)
  await collections.live()
  database.live = 'second'
  clock.aheadMs += 3_600_000
  t.equal(await collections.live(), 'second')
})

t.test('after a failed first read the next query tries again', async (t) => {
  const { collections, database } = start(t)
  database.failure = new Error('unavailable')
  await t.rejects(collections.live(), database.failure)
  database.failure = undefined
  t.equal(await collections.live(), 'first')
})

/** LiveCollections on a fake database, with a clock that can be advanced. */
function start(t: Test) {
  const clock = { aheadMs: 0 }
  const now = performance.now.bind(performance)
  t.intercept(performance, 'now', { value: () => now() + clock.aheadMs })
  const database = {
    asked: 0,
    live: 'first',
    failure: undefined as Error | undefined,
    answers: Promise.resolve(),
    /** Resolves when every read has been answered. */
    idle: () => new Promise((resolve) => setImmediate(resolve)),
  }
  const toArray = async (): Promise<ReadModelState[]> => {
    database.asked++
    await database.answers
    if (database.failure) throw database.failure
    return [{ _id: 'users_read', live: database.live, written: [] }]
  }
  const collection = (collectionName: string) => ({ collectionName, find: () => ({ toArray }) })
  const live = new LiveCollections({ collection } as unknown as Db)
  return {
    database,
    clock,
    collections: {
      live: async () => (await live.of('users_read')).collectionName,
      known: () => live.nameOf('users_read'),
    },
  }
}
