import t from 'tap'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, user } from './fixtures/users.ts'

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
  const answers = Array.from({ length: 600 }, () => get('/api/v1/users'))
  const refused = await Promise.race(answers)
  t.match(refused, { status: 503, headers: { 'retry-after': /^[1-9]\d*$/ }, body: { code: 'overloaded' } })
  for (const url of ['/healthz', '/readyz', `/api/v1/users/${idOf(1)}`, '/api/v1/stats/users'])
    t.match(await get(url), { status: 200 }, url)
  slow.resolve()
  const accepted = (await Promise.all(answers)).filter(({ status }) => status === 200)
  t.ok(accepted.length >= 500 && accepted.length <= 532, `${accepted.length} are answered once the database is quicker`)
  t.match(await get('/api/v1/users/by-role/buyer'), { status: 200 })
})
