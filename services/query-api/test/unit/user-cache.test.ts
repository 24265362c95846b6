import t from 'tap'
import { UserCache } from '../../src/by-id/user-cache.ts'

const at = (version: number, body = 'x'.repeat(250)) => ({ version, etag: `"${version}"`, body, time: 1n, token: 't' })

t.test('the cache is bounded in bytes and in entries', async (t) => {
  const cache = new UserCache({ lifetimeMs: 60_000, maxBytes: 100_000, maxEntries: 1_000 })
  for (let number = 0; number < 10_000; number++) cache.put(String(number), at(1), 0)
  t.equal(cache.size, 100)
  t.ok(cache.bytes <= 100_000)
  t.ok(cache.get('9999'))
  t.notOk(cache.get('0'))
  for (let number = 0; number < 10_000; number++) cache.put(String(number), at(1, ''), 0)
  t.ok(cache.bytes <= 100_000)
  const small = new UserCache({ lifetimeMs: 60_000, maxBytes: 2 ** 30, maxEntries: 10 })
  for (let number = 0; number < 100; number++) small.put(String(number), at(1), 0)
  t.equal(small.size, 10)
})

t.test('an older version never replaces a newer one', async (t) => {
  const cache = new UserCache({ lifetimeMs: 60_000, maxBytes: 100_000 })
  cache.put('jane', at(2), 0)
  cache.put('jane', at(1), 0)
  t.match(cache.get('jane'), { version: 2 })
})

t.test('the age counts from the read of the database; expired entries are freed', async (t) => {
  const clock = { aheadMs: 0 }
  const now = performance.now.bind(performance)
  t.intercept(performance, 'now', { value: () => now() + clock.aheadMs })
  const cache = new UserCache({ lifetimeMs: 60_000, maxBytes: 100_000 })
  cache.put('older', at(1), 50_000)
  cache.put('newer', at(1), 0)
  cache.put('too old', at(1), 60_000)
  t.equal(cache.size, 2)
  clock.aheadMs = 10_001
  cache.purge()
  t.equal(cache.size, 1)
  t.notOk(cache.get('older'))
  t.ok(cache.get('newer'))
  clock.aheadMs = 60_001
  t.notOk(cache.get('newer'))
})

t.test('a lifetime of 0 disables the cache', async (t) => {
  const cache = new UserCache({ lifetimeMs: 0, maxBytes: 100_000 })
  cache.put('jane', at(1), 0)
  t.equal(cache.size, 0)
})
