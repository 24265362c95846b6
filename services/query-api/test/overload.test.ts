import t from 'tap'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, sums, user } from './fixtures/users.ts'

t.test('lists beyond what the database takes are refused at once, and nothing else is', async (t) => {
  const { get, stored, users } = await startQueryApi(t)
  await stored.insertOne(user(1))
  await get('/api/v1/users')
  const slow = Promise.withResolvers<void>()
  const list = users.list.bind(users)
  users.list = async (page) => {
    await slow.promise
    return list(page)
  }
  const answers = Array.from({ length: 600 }, (_, offset) => get(`/api/v1/users?offset=${offset}`))
  const refused = await Promise.race(answers)
  t.match(refused, { status: 503, headers: { 'retry-after': /^[1-9]\d*$/ }, body: { code: 'overloaded' } })
  for (const url of ['/healthz', '/readyz', `/api/v1/users/${idOf(1)}`, '/api/v1/stats/users'])
    t.match(await get(url), { status: 200 }, url)
  slow.resolve()
  const accepted = (await Promise.all(answers)).filter(({ status }) => status === 200)
  t.ok(accepted.length >= 500 && accepted.length <= 532, `${accepted.length} are answered once the database is quicker`)
  t.match(await get('/api/v1/users/by-role/buyer'), { status: 200 })
})

t.test('one page that many wait for is read once for all of them, and other pages are others', async (t) => {
  const { get, stored, stats, users } = await startQueryApi(t)
  await stored.insertOne(user(1))
  await stats.insertOne(sums({ users: 1, byRole: { buyer: 1, seller: 0, admin: 0 } }))
  let reads = 0
  const { list, listByRole } = users
  users.list = (page) => {
    reads++
    return list.call(users, page)
  }
  users.listByRole = (role, page) => {
    reads++
    return listByRole.call(users, role, page)
  }
  for (const url of ['/api/v1/users', '/api/v1/users/by-role/buyer']) {
    reads = 0
    for (const answer of await Promise.all(Array.from({ length: 20 }, () => get(url))))
      t.match(answer, {
        status: 200,
        body: { data: [{ id: idOf(1) }], pagination: { total: 1, limit: 20, offset: 0 } },
      })
    t.ok(reads < 20, `${reads} reads for 20 of ${url}`)
  }
  reads = 0
  await Promise.all(['?limit=1', '?limit=2', '?limit=2&offset=0'].map((query) => get(`/api/v1/users${query}`)))
  t.equal(reads, 3)
})

t.test('who asks while a page is being read gets it read again', async (t) => {
  const { get, stored, users } = await startQueryApi(t)
  await stored.insertOne(user(1))
  const begun = Promise.withResolvers<void>()
  const slow = Promise.withResolvers<void>()
  const { list } = users
  users.list = async (page) => {
    const found = await list.call(users, page)
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
