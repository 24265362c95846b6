import t from 'tap'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, tombstone, user } from './fixtures/users.ts'

const { app, get, bearer, stored } = await startQueryApi(t)
await stored.insertMany([{ ...user(1, ['buyer', 'seller']), version: 7 }, tombstone(2)])

t.test('a user is returned with its derived fields', async (t) => {
  const { status, headers, body } = await get(`/api/v1/users/${idOf(1)}`)
  t.equal(status, 200)
  t.strictSame(body, {
    id: idOf(1),
    email: 'user-1@example.com',
    name: 'User 1',
    roles: ['buyer', 'seller'],
    isActive: true,
    createdAt: '2026-11-23T09:30:00.000Z',
    updatedAt: '2026-11-23T09:30:00.001Z',
    roleCount: 2,
    isBuyer: true,
    isSeller: true,
    version: 7,
  })
  t.match(headers, { 'content-type': /^application\/json/, etag: '"7"', 'cache-control': 'no-store' })
})

t.test('HEAD returns the headers of GET without a body', async (t) => {
  const { statusCode, headers, body } = await app.inject({
    method: 'HEAD',
    url: `/api/v1/users/${idOf(1)}`,
    headers: bearer,
  })
  t.equal(statusCode, 200)
  t.match(headers, { etag: '"7"', 'cache-control': 'no-store' })
  t.equal(body, '')
})

t.test('If-None-Match with the current version is answered 304', async (t) => {
  const url = `/api/v1/users/${idOf(1)}`
  for (const known of ['"7"', 'W/"7"', '"6", "7"', '*']) {
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await app.inject({ method, url, headers: { ...bearer, 'if-none-match': known } })
      t.equal(answer.statusCode, 304, known)
      t.match(answer.headers, { etag: '"7"', 'cache-control': 'no-store' })
      t.equal(answer.body, '')
    }
  }
  for (const known of ['"6"', '"77"', '"6", W/"8"']) {
    const answer = await app.inject({ url, headers: { ...bearer, 'if-none-match': known } })
    t.match([answer.statusCode, answer.json().version], [200, 7], known)
  }
  const unreadable = await app.inject({ url, headers: { ...bearer, 'if-none-match': '7' } })
  t.match(unreadable.json(), { code: 'validation-failed', errors: [{ pointer: '#/headers/if-none-match' }] })
  const gone = await app.inject({ url: `/api/v1/users/${idOf(2)}`, headers: { ...bearer, 'if-none-match': '*' } })
  t.equal(gone.statusCode, 404)
  t.equal((await app.inject({ url, headers: { 'if-none-match': '"7"' } })).statusCode, 401)
})

t.test('a stored field that the schema does not name is not returned', async (t) => {
  await stored.insertOne({ ...user(3), passwordHash: 'secret' } as ReturnType<typeof user>)
  const { status, body } = await get(`/api/v1/users/${idOf(3)}`)
  t.equal(status, 200)
  t.notMatch(body, { passwordHash: String })
})

for (const [what, number] of [
  ['unknown', 9],
  ['deleted', 2],
] as const) {
  t.test(`a user that is ${what} is not found`, async (t) => {
    const { status, headers, body } = await get(`/api/v1/users/${idOf(number)}`)
    t.equal(status, 404)
    t.match(headers['content-type'], /^application\/problem\+json/)
    t.match(body, { code: 'user-not-found', status: 404 })
    t.notOk(headers.etag)
  })
}
