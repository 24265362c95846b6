import { consistencyToken } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import type { Moment } from '../src/read-store/read-database.ts'
import { UserDirectoryRepository } from '../src/read-store/user-directory-repository.ts'
import { userStats } from '../src/read-store/user-stats.ts'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, sums, user } from './fixtures/users.ts'

t.test('too many concurrent lists are refused at once; other queries are not', async (t) => {
  const { get, mint, stored, users } = await startQueryApi(t)
  await stored.insertOne(user(1))
  await get('/api/v1/users')
  const callers = Array.from({ length: 150 }, (_, n) => ({ authorization: `Bearer ${mint({ sub: idOf(100 + n) })}` }))
  const slow = Promise.withResolvers<void>()
  const list = users.list.bind(users)
  users.list = async (...args) => {
    await slow.promise
    return list(...args)
  }
  const answers = Array.from({ length: 600 }, (_, offset) =>
    get(`/api/v1/users?offset=${offset}`, callers[offset % callers.length]),
  )
  const refused = await Promise.race(answers)
  t.match(refused, { status: 503, headers: { 'retry-after': /^[1-9]\d*$/ }, body: { code: 'overloaded' } })
  for (const url of ['/healthz', '/readyz', `/api/v1/users/${idOf(1)}`, '/api/v1/stats/users'])
    t.match(await get(url), { status: 200 }, url)
  slow.resolve()
  const accepted = (await Promise.all(answers)).filter(({ status }) => status === 200)
  t.ok(accepted.length >= 500 && accepted.length <= 524, `${accepted.length} are answered once the database responds`)
  t.match(await get('/api/v1/users/by-role/buyer'), { status: 200 })
})

t.test('one caller that asks for many pages at once is refused, and leaves room for the others', async (t) => {
  const { get, mint, stored, users } = await startQueryApi(t)
  await stored.insertOne(user(1))
  const slow = Promise.withResolvers<void>()
  const list = users.list.bind(users)
  users.list = async (...args) => {
    await slow.promise
    return list(...args)
  }
  const answers = Array.from({ length: 600 }, (_, offset) => get(`/api/v1/users?offset=${offset}`))
  const refused = await Promise.race(answers)
  t.match(refused, { status: 429, headers: { 'retry-after': /^[1-9]\d*$/ }, body: { code: 'rate-limited' } })
  t.match(await get('/api/v1/users/by-role/buyer?offset=1'), { status: 429, body: { code: 'rate-limited' } })
  const other = get('/api/v1/users?offset=1000', { authorization: `Bearer ${mint({ sub: idOf(2) })}` })
  slow.resolve()
  t.match(await other, { status: 200 })
  t.equal((await Promise.all(answers)).filter(({ status }) => status === 200).length, 50)
  t.match(await get('/api/v1/users?offset=51'), { status: 200 }, 'what has ended does not count')
})

t.test('callers that wait for the same page share one read; other pages are read separately', async (t) => {
  const { get, mint, stored, stats, users } = await startQueryApi(t)
  const callers = Array.from({ length: 8 }, (_, n) => ({ authorization: `Bearer ${mint({ sub: idOf(100 + n) })}` }))
  await stored.insertOne(user(1))
  await stats.insertOne(sums({ users: 1, byRole: { buyer: 1, seller: 0, admin: 0 } }))
  let reads = 0
  let busy = Promise.withResolvers<void>()
  const { list, listByRole } = users
  users.list = async (...args) => {
    reads++
    await busy.promise
    return list.call(users, ...args)
  }
  users.listByRole = (...args) => {
    reads++
    return listByRole.call(users, ...args)
  }
  for (const urls of [
    Array.from({ length: 15 }, () => '/api/v1/users'),
    Array.from({ length: 15 }, () => '/api/v1/users/by-role/buyer'),
    ['?limit=1', '?limit=2', '?limit=2&offset=0'].map((query) => `/api/v1/users${query}`),
  ]) {
    busy = Promise.withResolvers()
    reads = 0
    // As many as are read at once, so that every other one waits.
    const running = Array.from({ length: 24 }, (_, offset) =>
      get(`/api/v1/users?offset=${1 + offset}`, callers[offset % callers.length]),
    )
    await eventually(() => reads === 24)
    const answers = urls.map((url) => get(url))
    await get('/api/v1/stats/users') // takes longer than the others take to begin to wait
    t.equal(reads, 24)
    busy.resolve()
    for (const answer of await Promise.all(answers))
      t.match(answer, { status: 200, body: { data: [{ id: idOf(1) }], pagination: { total: 1, offset: 0 } } })
    await Promise.all(running)
    t.equal(reads - 24, new Set(urls).size)
  }
})

t.test('all who wait for the statistics share one read, and nobody is refused', async (t) => {
  const { get } = await startQueryApi(t)
  const { sums } = userStats
  const slow = Promise.withResolvers<void>()
  let reads = 0
  t.intercept(userStats, 'sums', {
    value: async (moment: Moment) => {
      reads++
      await slow.promise
      return sums(moment)
    },
  })
  const first = get('/api/v1/stats/users')
  await eventually(() => reads === 1)
  const others = Array.from({ length: 600 }, () => get('/api/v1/stats/users'))
  await get('/healthz') // takes longer than the others take to begin to wait
  slow.resolve()
  for (const { status } of await Promise.all([first, ...others])) t.equal(status, 200)
  t.ok(reads <= 6, `${reads} reads`)
})

for (const { path, of, name } of [
  { path: '/api/v1/stats/users', of: userStats, name: 'sums' },
  { path: '/api/v1/directory/users', of: UserDirectoryRepository.prototype, name: 'byChange' },
]) {
  t.test(`${path} with many tokens at once is refused, to one caller and to all`, async (t) => {
    const { get, mint } = await startQueryApi(t)
    const read = (of as unknown as Record<string, () => Promise<unknown>>)[name] as () => Promise<unknown>
    const slow = Promise.withResolvers<void>()
    t.intercept(of, name as never, {
      async value(this: unknown, ...args: []) {
        await slow.promise
        return read.apply(this, args)
      },
    })
    // Each is another token, so nobody shares a read.
    let number = 0
    const ask = (headers: { authorization?: string } = {}) =>
      get(path, {
        ...headers,
        'consistency-token': consistencyToken({ users: [], database: 'another', time: String(number++) }),
      })
    const answers = Array.from({ length: 60 }, () => ask())
    t.match(await Promise.race(answers), { status: 429, body: { code: 'rate-limited' } })
    const others = Array.from({ length: 600 }, (_, n) =>
      ask({ authorization: `Bearer ${mint({ sub: idOf(100 + (n % 150)), roles: ['admin'] })}` }),
    )
    t.match(await Promise.race(others), { status: 503, body: { code: 'overloaded' } })
    slow.resolve()
    t.equal((await Promise.all(answers)).filter(({ status }) => status === 200).length, 50)
    await Promise.all(others)
  })
}

t.test('a caller that arrives during a read of its page gets a new read', async (t) => {
  const { get, stored, users } = await startQueryApi(t)
  await stored.insertOne(user(1))
  const begun = Promise.withResolvers<void>()
  const slow = Promise.withResolvers<void>()
  const { list } = users
  users.list = async (...args) => {
    const found = await list.call(users, ...args)
    begun.resolve()
    await slow.promise
    return found
  }
  const early = get('/api/v1/users')
  await begun.promise
  await stored.insertOne(user(2))
  const late = get('/api/v1/users')
  slow.resolve()
  t.equal((await early).body.data.length, 1)
  t.equal((await late).body.data.length, 2)
})
