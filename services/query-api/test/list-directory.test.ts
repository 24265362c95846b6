import { type DirectoryDocument, type LiveShape, readModelsCollection, type UserPage, wordsOf } from '@cqrs/contracts'
import t from 'tap'
import { startQueryApi } from './fixtures/query-api.ts'
import { entry, idOf, tombstone } from './fixtures/users.ts'

const { app, db, mint, ...api } = await startQueryApi(t)
const directory = db.collection<DirectoryDocument | { _id: string }>('user_directory_v2')
const names = ['Ada Lovelace', 'Grace Hopper', 'Ada Yonath', 'Ádám Nagy', 'Jean-Luc Ada']
// Changed in another order than registered, and several at the same time.
const changedAt = (number: number) => new Date(Date.UTC(2026, 10, 1 + ((number * 7) % 10)))
const changed = (number: number): DirectoryDocument => ({
  ...entry(number, number % 2 ? ['seller'] : ['buyer'], names[number % names.length]),
  updatedAt: changedAt(number),
})
const numbers = Array.from({ length: 40 }, (_, index) => index + 1)
await directory.insertMany(numbers.map((number) => (number === 40 ? tombstone(number) : changed(number))))

const lastChangeFirst = (wanted = (_number: number) => true) =>
  numbers
    .filter((number) => number < 40 && wanted(number))
    .sort((one, other) => changedAt(other).getTime() - changedAt(one).getTime() || other - one)
    .map(idOf)

const get = (query: string) => api.get(`/api/v1/directory/users?${query}`)

for (const [query, wanted] of [
  ['', () => true],
  ['word=ada', (number: number) => [0, 2, 4].includes(number % 5)],
  ['word=ADA', (number: number) => [0, 2, 4].includes(number % 5)],
  ['word=adam', (number: number) => number % 5 === 3],
  [`word=${encodeURIComponent('ÁDÁM')}`, (number: number) => number % 5 === 3],
  ['word=example', () => true],
  ['word=17', (number: number) => number === 17],
  ['word=lovelace', (number: number) => number % 5 === 0],
  ['role=seller', (number: number) => number % 2 === 1],
  ['word=nobody', () => false],
] as const) {
  t.test(`pages of "${query}" cover everyone once, the last change first`, async (t) => {
    const pages: UserPage[] = []
    for (let next: string | null = ''; next !== null; ) {
      const { status, body } = await get(`${query}&limit=7${next && `&cursor=${next}`}`)
      t.equal(status, 200)
      pages.push(body)
      next = body.pagination.nextCursor
    }
    t.strictSame(
      pages.flatMap(({ data }) => data.map(({ id }) => id)),
      lastChangeFirst(wanted),
    )
    t.match(pages[0]?.pagination, { limit: 7, offset: 0, total: null })
  })
}

t.test('an entry is the whole user, and a part of a word finds nobody', async (t) => {
  t.match((await get('word=hopper&limit=1')).body.data, [{ name: 'Grace Hopper', email: String, version: 1 }])
  t.strictSame((await get('word=hop')).body.data, [])
})

t.test('it reads the shape that is live, with the words of that shape', async (t) => {
  const found = async (word: string) => {
    const { status, body } = await get(`word=${encodeURIComponent(word)}`)
    return status === 200 ? body.data.length : status
  }
  t.strictSame([await found('adam'), await found('ádám'), await found('example')], [8, 8, 20])
  const older = db.collection<DirectoryDocument>('user_directory_v1')
  await older.insertOne({ ...changed(3), words: wordsOf('Ádám Nagy', 1) })
  const shapes = db.collection<LiveShape>(readModelsCollection)
  await shapes.insertOne({ _id: 'user_directory', shape: 1, since: new Date() })
  t.strictSame([await found('adam'), await found('ádám'), await found('example')], [0, 1, 0])
  await shapes.updateOne({ _id: 'user_directory' }, { $set: { shape: 3 } })
  t.equal(await found('adam'), 8, 'of a shape that it does not know, it reads the latest before')
  await shapes.deleteOne({ _id: 'user_directory' })
})

t.test('only administrators may read it', async (t) => {
  const headers = { authorization: `Bearer ${mint()}` }
  const { statusCode, body } = await app.inject({ url: '/api/v1/directory/users', headers })
  t.match({ statusCode, ...JSON.parse(body) }, { statusCode: 403, code: 'not-allowed' })
})

for (const query of [
  'word=two%20words',
  'word=-',
  'word=',
  'word=a&role=buyer',
  'role=king',
  'cursor=x',
  'offset=1',
  'sort=name',
])
  t.test(`"${query}" is refused`, async (t) => {
    t.match(await get(query), { status: 400, body: { code: 'validation-failed' } })
  })

t.test('a cursor of another list, or of an impossible time, is refused', async (t) => {
  for (const cursor of [
    ['newest', idOf(1)],
    ['changed', 9e15, idOf(1)],
    ['changed', -1, idOf(1)],
    ['changed', 1, 'x'],
  ]) {
    const text = Buffer.from(JSON.stringify(cursor)).toString('base64url')
    t.match(await get(`cursor=${text}`), { status: 400, body: { code: 'validation-failed' } })
  }
})
