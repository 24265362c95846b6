import type { UserStatsSums } from '@cqrs/contracts'
import t from 'tap'
import { startQueryApi } from './fixtures/query-api.ts'
import { sums, user } from './fixtures/users.ts'

const path = '/api/v1/stats/users'
const { app, bearer, get, stored, stats } = await startQueryApi(t)
const none = { users: 0, active: 0, byRole: { buyer: 0, seller: 0, admin: 0 }, registrationsByDay: [] }

t.test('without sums every count is zero, including the totals of lists', async (t) => {
  await stored.insertOne(user(1))
  const { status, headers, body } = await get(path)
  t.equal(status, 200)
  t.match(headers, { 'content-type': /^application\/json/, 'cache-control': 'no-store' })
  t.strictSame(body, none)
  for (const list of ['/api/v1/users', '/api/v1/users/by-role/buyer']) {
    t.match((await get(list)).body, { data: [{ name: 'User 1' }], pagination: { total: 0 } })
  }
})

t.test('the sums are returned, with the newest days first', async (t) => {
  const byDay = { '2026-11-22': 2, '2026-11-23': 1, '2025-12-31': 4 }
  await replaceSums(sums({ users: 7, active: 6, byRole: { buyer: 5, seller: 3, admin: 1 }, byDay }))
  t.strictSame((await get(path)).body, {
    users: 7,
    active: 6,
    byRole: { buyer: 5, seller: 3, admin: 1 },
    registrationsByDay: [
      { day: '2026-11-23', registrations: 1 },
      { day: '2026-11-22', registrations: 2 },
      { day: '2025-12-31', registrations: 4 },
    ],
  })
  t.equal((await get('/api/v1/users')).body.pagination.total, 7)
  t.equal((await get('/api/v1/users/by-role/seller')).body.pagination.total, 3)
})

t.test('registrations are returned for the last 31 days that have any', async (t) => {
  const days = Array.from({ length: 40 }, (_, index) =>
    new Date(Date.UTC(2026, 10, 23 - index)).toISOString().slice(0, 10),
  )
  const shuffled = days
    .map((day, index) => [day, index === 3 ? 0 : index + 1] as const)
    .toSorted(([a], [b]) => (a.slice(8) < b.slice(8) ? -1 : 1))
  await replaceSums(sums({ byDay: Object.fromEntries(shuffled) }))
  t.strictSame(
    (await get(path)).body.registrationsByDay.map(({ day }: { day: string }) => day),
    [...days.slice(0, 3), ...days.slice(4, 32)],
  )
})

t.test('missing members of the sums count as zero', async (t) => {
  await stats.replaceOne({ _id: 'sums' }, { users: 1, byRole: { buyer: 1 } } as UserStatsSums)
  t.strictSame((await get(path)).body, { ...none, users: 1, byRole: { buyer: 1, seller: 0, admin: 0 } })
})

t.test('HEAD returns the headers of GET without a body', async (t) => {
  const { statusCode, headers, body } = await app.inject({ method: 'HEAD', url: path, headers: bearer })
  t.equal(statusCode, 200)
  t.match(headers, { 'content-type': /^application\/json/, 'cache-control': 'no-store' })
  t.equal(body, '')
})

const replaceSums = ({ _id, ...rest }: ReturnType<typeof sums>) => stats.replaceOne({ _id }, rest, { upsert: true })
