import type { UserPage } from '@cqrs/contracts'
import t from 'tap'
import { queryApiOn, startQueryApi } from './fixtures/query-api.ts'
import { idOf, sums, tombstone, user } from './fixtures/users.ts'

// Users 1 to 30, not stored in the order of their ids. Every third is also a seller, every tenth is deleted.
const { get, stored, stats, uri } = await startQueryApi(t)
const numbers = Array.from({ length: 30 }, (_, index) => ((index * 7) % 30) + 1)
await stored.insertMany(
  numbers.map((number) =>
    number % 10 === 0 ? tombstone(number) : user(number, number % 3 === 0 ? ['buyer', 'seller'] : ['buyer']),
  ),
)
await stats.insertOne(sums({ users: 27, byRole: { buyer: 27, seller: 9, admin: 0 } }))

const newestFirst = (from: number, count: number, wanted = (_number: number) => true) =>
  Array.from({ length: 30 }, (_, index) => 30 - index)
    .filter((number) => number % 10 !== 0 && wanted(number))
    .slice(from, from + count)
    .map(idOf)
const isSeller = (number: number) => number % 3 === 0
const ids = ({ data }: UserPage) => data.map(({ id }) => id)

for (const { path, wanted, total } of [
  { path: '/api/v1/users', wanted: () => true, total: 27 },
  { path: '/api/v1/users/by-role/buyer', wanted: () => true, total: 27 },
  { path: '/api/v1/users/by-role/seller', wanted: isSeller, total: 9 },
]) {
  t.test(path, async (t) => {
    t.test('returns 20 users by default, newest first, without deleted ones', async (t) => {
      const { status, headers, body } = await get(path)
      t.equal(status, 200)
      t.match(headers, { 'content-type': /^application\/json/, 'cache-control': 'no-store' })
      t.strictSame(ids(body), newestFirst(0, 20, wanted))
      t.match(body.pagination, { limit: 20, offset: 0, total })
    })

    t.test('limit and offset select the page', async (t) => {
      const { body } = await get(`${path}?limit=4&offset=3`)
      t.strictSame(ids(body), newestFirst(3, 4, wanted))
      t.match(body.pagination, { limit: 4, offset: 3, total, nextCursor: String })
    })

    t.test('pages by offset cover every user once', async (t) => {
      const pages: string[] = []
      for (let offset = 0; offset < total; offset += 5) {
        pages.push(...ids((await get(`${path}?limit=5&offset=${offset}`)).body))
      }
      t.strictSame(pages, newestFirst(0, total, wanted))
    })

    t.test('a page beyond the end is empty and has the total', async (t) => {
      const { status, body } = await get(`${path}?limit=100&offset=100000`)
      t.equal(status, 200)
      t.strictSame(body, { data: [], pagination: { limit: 100, offset: 100_000, total, nextCursor: null } })
    })

    t.test('cursors continue from any page to the end', async (t) => {
      for (const [limit, offset] of [
        [5, 0],
        [4, 3],
        [9, 0],
        [100, 0],
      ] as const) {
        const seen = await followed(`${path}?limit=${limit}&offset=${offset}`)
        t.strictSame(seen.flatMap(ids), newestFirst(offset, total, wanted))
        t.strictSame(
          seen.slice(1).map(({ pagination: { nextCursor, ...rest } }) => rest),
          seen.slice(1).map(() => ({ limit, offset: null, total })),
        )
      }
    })
  })
}

t.test('a user in a page has all the fields of a single user', async (t) => {
  const single = await get(`/api/v1/users/${idOf(29)}`)
  t.strictSame((await get('/api/v1/users?limit=1')).body.data, [single.body])
})

t.test('a role without users returns an empty page', async (t) => {
  const { body } = await get('/api/v1/users/by-role/admin')
  t.strictSame(body, { data: [], pagination: { limit: 20, offset: 0, total: 0, nextCursor: null } })
})

t.test('registrations and deletions between pages do not shift a cursor', async (t) => {
  const first = (await get('/api/v1/users?limit=5')).body as UserPage
  await stored.insertOne(user(1_000))
  await stored.deleteOne({ _id: first.data.at(-1)?.id as string })
  const { body } = await get(`/api/v1/users?limit=5&cursor=${first.pagination.nextCursor}`)
  t.strictSame(ids(body), newestFirst(5, 5))
})

t.test('with LISTS_FOR=admins only admins list and search; single users and sums stay readable', async (t) => {
  const { get, mint } = await queryApiOn(t, uri, { settings: { LISTS_FOR: 'admins' } })
  const lists = ['/api/v1/users', '/api/v1/users?q=user', '/api/v1/users/by-role/buyer']
  const buyer = { authorization: `Bearer ${mint()}` }
  for (const list of lists) {
    t.match(await get(list, buyer), { status: 403, body: { code: 'not-allowed' } }, list)
    t.match(await get(list), { status: 200 }, list)
  }
  for (const other of [`/api/v1/users/${idOf(1)}`, '/api/v1/stats/users'])
    t.match(await get(other, buyer), { status: 200 })
})

/** This page and all that follow by cursor. */
async function followed(url: string): Promise<UserPage[]> {
  const pages: UserPage[] = []
  for (let next: string | null = url; next; ) {
    const page: UserPage = (await get(next)).body
    pages.push(page)
    const { limit, nextCursor } = page.pagination
    next = nextCursor && `${url.split('?')[0]}?limit=${limit}&cursor=${nextCursor}`
  }
  return pages
}
