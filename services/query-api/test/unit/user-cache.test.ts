import t from 'tap'
import { UserCache } from '../../src/by-id/user-cache.ts'

const at = (version: number, body = 'x'.repeat(350)) => ({ version, etag: `"${version}"`, body })
const fresh = { collection: 'first', ageMs: 0 }

t.test('the cache is bounded in bytes and in entries', async (t) => {
  const cache = new UserCache({ lifetimeMs: 60_000, maxBytes: 100_000, maxEntries: 1_000 })
  for (let number = 0; number < 10_000; number++) cache.put(String(number), at(1), fresh)
  t.equal(cache.size, 100)
  t.ok(cache.bytes <= 100_000)
  t.ok(cache.get('9999', 'first'))
  t.notOk(cache.get('0', 'first'))
  for (let number = 0; number < 10_000; number++) cache.put(String(number), at(1, ''), fresh)
  t.ok(cache.bytes <= 100_000)
  const small = new UserCache({ lifetimeMs: 60_000, maxBytes: 2 ** 30, maxEntries: 10 })
  for (let number = 0; number < 100; number++) small.put(String(number), at(1), fresh)
  t.equal(small.size, 10)
})

t.test('an older version never replaces a newer one', async (t) => {
  const cache = new UserCache({ lifetimeMs: 60_000, maxBytes: 100_000 })
  cache.put('jane', at(2), fresh)
  cache.put('jane', at(1), fresh)
  t.match(cache.get('jane', 'first'), { version: 2 })
})

t.test('the age counts from the read of the database; expired entries are freed', async (t) => {
  const clock = { aheadMs: 0 }
  const now = performance.now.bind(performance)
  t.intercept(performance, 'now', { value: () => now() + clock.aheadMs })
  const cache = new UserCache({ lifetimeMs: 60_000, maxBytes: 100_000 })
  cache.put('older', at(1), { collection: 'first', ageMs: 50_000 })
  cache.put('newer', at(1), fresh)
  cache.put('too old', at(1), { collection: 'first', ageMs: 60_000 })
  t.equal(cache.size, 2)
  clock.aheadMs = 10_001
  cache.purge()
  t.equal(cache.size, 1)
  t.notOk(cache.get('older', 'first'))
  t.ok(cache.get('newer', 'first'))
  clock.aheadMs = 60_001
  t.notOk(cache.get('newer', 'first'))
})

t.test('a lifetime of 0 disables the cache', async (t) => {
  const cache = new UserCache({ lifetimeMs: 0, maxBytes: 100_000 })
  cache.put('jane', at(1), fresh)
  t.equal(cache.size, 0)
})

t.test('entries of a collection are dropped and refused once another is live', async (t) => {
  const cache = new UserCache({ lifetimeMs: 60_000, maxBytes: 100_000 })
  cache.put('jane', at(1), fresh)
  t.notOk(cache.get('jane', 'second'))
  t.equal(cache.size, 0)
  cache.put('jane', at(2), fresh)
  t.equal(cache.size, 0)
  cache.put('jane', at(1), { collection: 'second', ageMs: 0 })
  t.match(cache.get('jane', 'second'), { version: 1 })
})
