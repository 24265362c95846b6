import type { UserPage, UserReadDocument } from '@cqrs/contracts'
import t from 'tap'
import { startQueryApi } from './fixtures/query-api.ts'
import { sums, tombstone, user } from './fixtures/users.ts'

const { get, stored, stats } = await startQueryApi(t)
const registered = (number: number) => new Date(Date.UTC(2026, 10, number, 12))
/** An id that command-api would create at this time. */
const idAt = (time: Date, number: number) => {
  const hex = time.getTime().toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${String(number).padStart(12, '0')}`
}
const people: [name: string, email: string, more?: Partial<UserReadDocument>][] = [
  ['Jane Doe', 'jane@example.com'],
  ['jane doe', 'other.jane@example.com'],
  ['Élodie Martin', 'elodie@example.com', { isActive: false }],
  ['Zoë', 'janet@example.com'],
  ['JANUS', 'two-faces@example.com', { isActive: false }],
  ['100% (real)', '100@example.com'],
  ['a.b', 'dots@example.com'],
  ['axb', 'no-dots@example.com'],
  ['Ädam', 'jan@example.com'],
  ['李雷', 'li@example.com'],
]
await stored.insertMany([
  ...people.map(([name, email, more], index) => {
    const createdAt = registered(index + 1)
    return { ...user(index), _id: idAt(createdAt, index), name, email, createdAt, ...more }
  }),
  { ...tombstone(99), _id: idAt(registered(5), 99) },
])
await stats.insertOne(sums({ users: 10, active: 8 }))

const names = ({ data }: UserPage) => data.map(({ name }) => name)
const all = async (query: string, limit = 3) => {
  const pages: UserPage[] = []
  let cursor = ''
  do {
    const { status, body } = await get(`/api/v1/users?${query}&limit=${limit}${cursor && `&cursor=${cursor}`}`)
    t.equal(status, 200)
    pages.push(body)
    cursor = body.pagination.nextCursor
  } while (cursor)
  return pages
}

const byName = ['100% (real)', 'a.b', 'Ädam', 'axb', 'Élodie Martin', 'Jane Doe', 'jane doe', 'JANUS', 'Zoë', '李雷']

t.test('sort=name ignores case and sorts accented letters with their base letters', async (t) => {
  for (const limit of [1, 3, 100]) t.strictSame((await all('sort=name', limit)).flatMap(names), byName)
  t.strictSame(names((await get('/api/v1/users?sort=name&limit=2&offset=5')).body), ['Jane Doe', 'jane doe'])
})

t.test('isActive filters both orders', async (t) => {
  const inactive = ['Élodie Martin', 'JANUS']
  t.strictSame((await all('sort=name&isActive=false', 1)).flatMap(names), inactive)
  t.strictSame((await all('isActive=false', 1)).flatMap(names), [...inactive].reverse())
  t.strictSame(
    (await all('sort=name&isActive=true')).flatMap(names),
    byName.filter((name) => !inactive.includes(name)),
  )
  for (const [query, total] of [
    ['isActive=true', 8],
    ['isActive=false', 2],
    ['sort=name', 10],
  ] as const)
    t.match((await get(`/api/v1/users?${query}`)).body.pagination, { total })
})

t.test('createdAfter is inclusive, createdBefore exclusive', async (t) => {
  const at = (number: number) => registered(number).toISOString()
  const from = (number: number, to: number) =>
    people
      .slice(number - 1, to - 1)
      .map(([name]) => name)
      .reverse()
  t.strictSame((await all(`createdAfter=${at(3)}`)).flatMap(names), from(3, 11))
  t.strictSame((await all(`createdBefore=${at(3)}`)).flatMap(names), from(1, 3))
  t.strictSame((await all(`createdAfter=${at(2)}&createdBefore=${at(8)}`)).flatMap(names), from(2, 8))
  t.strictSame((await all(`createdAfter=${at(2)}&createdBefore=${at(8)}&isActive=false`)).flatMap(names), [
    'JANUS',
    'Élodie Martin',
  ])
  t.strictSame((await all('createdAfter=2999-01-01T00:00:00Z')).flatMap(names), [])
  t.strictSame((await all('createdBefore=0000-01-01T00:00:00Z')).flatMap(names), [])
  t.equal((await get(`/api/v1/users?createdAfter=${at(3)}`)).body.pagination.total, null)
})

t.test('q finds prefixes of names and e-mail addresses, each user once', async (t) => {
  for (const [q, found] of [
    ['jan', ['Jane Doe', 'jane doe', 'JANUS', 'Ädam', 'Zoë']],
    ['JANE', ['Jane Doe', 'jane doe', 'Zoë']],
    ['jane doe', ['Jane Doe', 'jane doe']],
    ['janet@', ['Zoë']],
    ['elodie', ['Élodie Martin']],
    ['ÉLO', ['Élodie Martin']],
    ['ad', ['Ädam']],
    ['李', ['李雷']],
    ['100%', ['100% (real)']],
    ['100', ['100% (real)']],
    ['a.b', ['a.b']],
    ['.*', []],
    ['^jan', []],
    ['doe', []],
  ] as const) {
    for (const limit of [1, 2, 3, 100]) {
      t.strictSame((await all(`q=${encodeURIComponent(q)}`, limit)).flatMap(names), found, `${q}, by ${limit}`)
    }
  }
  t.strictSame((await all('q=jan&isActive=false', 1)).flatMap(names), ['JANUS'])
  t.match((await get('/api/v1/users?q=jan')).body.pagination, { offset: 0, total: null, nextCursor: null })
})

t.test('parameters that cannot be combined are refused, with the reason', async (t) => {
  const { nextCursor } = (await get('/api/v1/users?limit=1')).body.pagination
  for (const [query, field] of [
    ['q=jan&sort=name', 'sort'],
    ['q=jan&sort=newest', 'sort'],
    ['q=jan&offset=1', 'offset'],
    ['q=jan&createdAfter=2026-11-01T00:00:00Z', 'createdAfter'],
    ['sort=name&createdBefore=2026-11-01T00:00:00Z', 'createdBefore'],
    [`cursor=${nextCursor}&offset=1`, 'offset'],
    [`cursor=${nextCursor}&sort=name`, 'cursor'],
    [`cursor=${nextCursor}&q=jan`, 'cursor'],
    ['offset=100001', 'offset'],
  ] as const) {
    const { status, body } = await get(`/api/v1/users?${query}`)
    t.equal(status, 400, query)
    t.match(body, { code: 'validation-failed', errors: [{ pointer: `#/querystring/${field}`, detail: /\w/ }] })
  }
  t.match((await get('/api/v1/users?offset=100001')).body.errors[0].detail, /100000.*nextCursor/)
})
