import type { UserReadDocument, UserReadTombstone } from '@cqrs/contracts'
import { eventually, type FreshRedis, freshDatabase, freshRedis } from '@cqrs/local-stack/testing'
import { createLogger } from '@cqrs/service-kit'
import { createClient } from '@redis/client'
import { MongoClient } from 'mongodb'
import t, { type Test } from 'tap'
import { RedisCache } from '../src/by-id/redis-cache.ts'
import { UserCache } from '../src/by-id/user-cache.ts'
import { UserLookUp } from '../src/by-id/user-look-up.ts'
import { ReadDatabase } from '../src/read-store/read-database.ts'
import { UserReadRepository } from '../src/read-store/user-read-repository.ts'
import { holdNext } from './fixtures/hold-next.ts'
import { idOf, tombstone, user } from './fixtures/users.ts'

t.test('a process gets from Redis what another one has read', async (t) => {
  const { stored, process } = await start(t)
  await stored.insertMany([user(1), tombstone(2)])
  const [one, other] = [await process(), await process()]
  for (const number of [1, 2]) await one.lookUp.find(idOf(number))
  await stored.deleteMany({})
  await eventually(() => other.isStored(idOf(2)))
  t.match(await other.lookUp.find(idOf(1)), { version: 1, etag: '"1"', body: /user-1@example.com/ })
  t.match(await other.lookUp.find(idOf(2)), { version: 2, etag: '"2"', body: undefined })
  t.match(await other.lookUp.find(idOf(3)), { version: 0, body: undefined })
})

t.test('after a notice Redis returns nothing older, in whatever order processes receive it', async (t) => {
  const { stored, process } = await start(t)
  await stored.insertOne(user(1))
  const [late, early, third] = [await process(), await process(), await process()]
  const release = late.hold()
  const slow = late.lookUp.find(idOf(1))
  await release.isHeld
  await stored.updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
  early.lookUp.outdate(idOf(1), 2)
  // This process has not received the notice and stores the older version that it has read.
  release()
  t.match(await slow, { version: 1 })
  await late.flushed()
  t.match(await early.lookUp.find(idOf(1)), { version: 2 })
  await early.flushed()
  await stored.deleteMany({})
  t.match(await third.lookUp.find(idOf(1)), { version: 2 }, 'Redis has the newer version')
})

t.test('a higher version than Redis has is read from the database', async (t) => {
  const { stored, process } = await start(t)
  await stored.insertOne(user(1))
  const [one, other] = [await process(), await process()]
  await one.lookUp.find(idOf(1))
  await one.flushed()
  await stored.updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
  t.match(await other.lookUp.find(idOf(1), 2), { version: 2 })
})

t.test('the notice of a deletion erases personal data from Redis', async (t) => {
  const { stored, process, values } = await start(t)
  await stored.insertOne(user(1))
  const one = await process()
  await one.lookUp.find(idOf(1))
  await one.flushed()
  t.match((await values()).join(), /user-1@example\.com/)
  await stored.replaceOne({ _id: idOf(1) }, tombstone(1))
  one.lookUp.outdate(idOf(1), 2)
  await one.lookUp.find(idOf(1))
  await one.flushed()
  const left = await values()
  t.equal(left.length, 1)
  t.notMatch(left.join(), /user-1|User 1/)
})

t.test(
  'while Redis crashes, restarts, hangs and is full, no look-up fails or returns less than its notice',
  async (t) => {
    const { stored, process, redis } = await start(t, ['--maxmemory', '3mb', '--maxmemory-policy', 'noeviction'])
    const numbers = Array.from({ length: 50 }, (_, number) => number)
    const newest = new Map(numbers.map((number) => [number, 1]))
    await stored.insertMany(numbers.map((number) => user(number)))
    const processes = [await process(200), await process(200)]
    let isRunning = true
    let answers = 0
    const older: string[] = []
    const reading = Promise.all(
      processes.map(async ({ lookUp }) => {
        while (isRunning && older.length === 0) {
          const wanted = numbers.map((number) => ({ number, atLeast: newest.get(number) ?? 0 }))
          const found = await Promise.all(wanted.map(({ number }) => lookUp.find(idOf(number))))
          for (const [index, { atLeast }] of wanted.entries()) {
            if (!found[index] || found[index].version < atLeast)
              older.push(`version ${found[index]?.version} after ${atLeast}`)
          }
          answers += found.length
          await new Promise(setImmediate)
        }
      }),
    )
    const writing = (async () => {
      for (let version = 2; isRunning; version++) {
        const number = version % numbers.length
        await stored.updateOne({ _id: idOf(number) }, { $set: { version } })
        for (const { lookUp } of processes) lookUp.outdate(idOf(number), version)
        newest.set(number, version)
      }
    })()
    const more = async () => {
      const from = answers
      t.ok(await eventually(async () => answers > from + 1_000 || older.length > 0), 'look-ups are still answered')
    }
    await more()
    await redis.server.kill()
    await more()
    await redis.server.start()
    await more()
    globalThis.process.kill(redis.server.pid as number, 'SIGSTOP')
    await more()
    globalThis.process.kill(redis.server.pid as number, 'SIGCONT')
    await more()
    const filler = await client(t, redis.url)
    await t.rejects(
      (async () => {
        for (let number = 0; ; number++) await filler.set(`filler-${number}`, 'x'.repeat(100_000))
      })(),
      /OOM/,
    )
    await more()
    await filler.flushAll()
    await more()
    isRunning = false
    await Promise.all([reading, writing])
    t.strictSame(older, [])
    t.ok(await eventually(async () => processes.every(({ redisCache }) => redisCache.isInUse)), 'Redis is in use again')
  },
)

t.test('a mark that cannot be sent stops reads of Redis until its entries have expired', async (t) => {
  const { stored, process, redis } = await start(t)
  await stored.insertOne(user(1))
  const [one, other] = [await process(), await process()]
  await redis.server.stop()
  await eventually(async () => !one.redisCache.isInUse && !other.redisCache.isInUse)
  one.lookUp.outdate(idOf(1), 2)
  await redis.server.start()
  await eventually(async () => other.redisCache.isInUse)
  t.notOk(one.redisCache.isInUse)
  t.match(await one.lookUp.find(idOf(1)), { version: 1 })
})

t.test('while Redis refuses its clients, look-ups are answered from the database', async (t) => {
  const { stored, process, redis } = await start(t)
  await stored.insertMany([user(1), user(2)])
  const one = await process()
  await one.lookUp.find(idOf(1))
  const admin = await client(t, redis.url)
  await admin.configSet('requirepass', 'changed')
  // An authenticated connection stays; the next one is refused.
  await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
  await eventually(async () => !one.redisCache.isInUse)
  await stored.updateOne({ _id: idOf(1) }, { $set: { version: 2 } })
  one.lookUp.outdate(idOf(1), 2)
  t.match(await one.lookUp.find(idOf(1)), { version: 2 })
  t.match(await one.lookUp.find(idOf(2)), { version: 1 })
  await admin.configSet('requirepass', '')
  await eventually(async () => one.redisCache.isConnected)
})

t.test('what another program has stored in Redis is not answered', async (t) => {
  const { stored, process, redis } = await start(t)
  await stored.insertMany([user(1), user(2), user(3)])
  const one = await process()
  for (const number of [1, 2, 3]) await one.lookUp.find(idOf(number))
  await one.flushed()
  const other = await client(t, redis.url)
  const [first, second, third] = (await other.keys('*')).sort()
  await other.set(first as string, 'nonsense')
  await other.set(second as string, '7:yesterday:{}')
  await other.del(third as string)
  await other.lPush(third as string, 'a list')
  const { lookUp, flushed } = await process()
  for (const number of [1, 2, 3]) t.match(await lookUp.find(idOf(number)), { version: 1, body: /@example.com/ })
  await stored.updateOne({ _id: idOf(3) }, { $set: { version: 2 } })
  lookUp.outdate(idOf(3), 2)
  await flushed()
  t.match(await lookUp.find(idOf(3)), { version: 2 })
})

t.test('look-ups work without Redis from the start', async (t) => {
  const { stored, process, redis } = await start(t)
  await stored.insertOne(user(1))
  await redis.server.stop()
  const one = await process(600_000, { isUnavailable: true })
  t.match(await one.lookUp.find(idOf(1)), { version: 1 })
})

async function start(t: Test, options: string[] = []) {
  const { db, uri } = await freshDatabase(t)
  const redis = await freshRedis(t, options)
  const stored = db.collection<UserReadDocument | UserReadTombstone>('users_read_v1')
  return {
    redis,
    stored,
    process: (lifetimeMs?: number, state?: { isUnavailable: boolean }) =>
      startProcess(t, { uri, redis, lifetimeMs, ...state }),
    values: async () => {
      const reader = await client(t, redis.url)
      return Promise.all((await reader.keys('*')).map((key) => reader.get(key)))
    },
  }
}

/** The look-ups of one process. By default only notices drop cached users. */
async function startProcess(
  t: Test,
  {
    uri,
    redis,
    lifetimeMs = 600_000,
    isUnavailable,
  }: { uri: string; redis: FreshRedis; lifetimeMs?: number | undefined; isUnavailable?: boolean },
) {
  const mongo = await new MongoClient(uri).connect()
  const database = new ReadDatabase(mongo.db())
  const identity = await database.identity()
  const users = new UserReadRepository(database)
  const redisCache = new RedisCache({ url: redis.url, lifetimeMs, logger: createLogger('query-api', 'silent') })
  const cache = new UserCache({ lifetimeMs, maxBytes: 2 ** 20 })
  const lookUp = new UserLookUp({ database, users, cache, redis: redisCache })
  lookUp.start()
  t.teardown(async () => {
    await lookUp.close()
    await mongo.close()
  })
  if (!isUnavailable) await eventually(async () => redisCache.isInUse)
  return {
    redisCache,
    lookUp,
    /** Resolves when Redis has executed every earlier command. */
    flushed: () => redisCache.read([idOf(999)], identity),
    isStored: async (id: string) => (await redisCache.read([id], identity)).size === 1,
    /** Holds back the next answer of the database until the returned function is called. */
    hold: () => holdNext(users),
  }
}

async function client(t: Test, url: string) {
  const redis = createClient({ url })
  redis.on('error', () => {})
  await redis.connect()
  t.teardown(async () => redis.destroy())
  return redis
}
