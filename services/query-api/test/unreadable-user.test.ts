import type { UserReadDocument } from '@cqrs/contracts'
import type { Logger } from '@cqrs/service-kit'
import t from 'tap'
import { toReadModel } from '../src/read-store/to-read-model.ts'
import { startQueryApi } from './fixtures/query-api.ts'
import { idOf, user } from './fixtures/users.ts'

const { app, get, stored } = await startQueryApi(t)
const readable = [1, 3, 5, 7, 9]
const broken: Record<number, object> = {
  2: { $unset: { isSeller: 1 } },
  4: { $set: { roles: 'buyer', name: 'User 4, whose name no log may show' } },
  6: { $set: { createdAt: 'yesterday' } },
  8: { $unset: { name: 1 } },
  10: { $set: { email: null } },
}
await stored.insertMany(Array.from({ length: 10 }, (_, i) => user(i + 1)))
for (const [n, change] of Object.entries(broken)) {
  const { modifiedCount } = await stored.updateOne({ _id: idOf(Number(n)) }, change)
  if (modifiedCount !== 1) throw new Error(`user ${n} was not broken`)
}

t.test('a look-up of an unreadable user fails alone', async (t) => {
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => get(`/api/v1/users/${idOf(i + 1)}`)))
  for (const [i, { status, body }] of answers.entries()) {
    if (readable.includes(i + 1)) t.match({ status, body }, { status: 200, body: { id: idOf(i + 1) } })
    else t.match({ status, body }, { status: 503, body: { code: 'read-model-behind' } })
  }
})

for (const list of [
  '/users?',
  '/users?sort=name&',
  '/users?q=user&',
  '/users/by-role/buyer?',
  '/users?isActive=true&',
]) {
  t.test(`${list} leaves out unreadable users, and shows every other on some page`, async (t) => {
    const seen: string[] = []
    let cursor = ''
    for (let page = 0; page < 10 && cursor !== null; page++) {
      const { status, body } = await get(`/api/v1${list}limit=2${cursor && `&cursor=${cursor}`}`)
      t.equal(status, 200)
      seen.push(...body.data.map(({ id }: { id: string }) => id))
      cursor = body.pagination.nextCursor
    }
    t.equal(cursor, null)
    t.strictSame(seen.sort(), readable.map(idOf).sort())
  })
}

t.test('each is logged once, by its id and without a value, and counted', async (t) => {
  const lines: { user_id: string; fields: string[] }[] = []
  const logger = { error: (line: (typeof lines)[number]) => lines.push(line) } as unknown as Logger
  const { createdAt: _, ...incomplete } = user(20)
  for (const _ of [1, 2])
    t.equal(toReadModel({ ...incomplete, roles: ['jane'] } as unknown as UserReadDocument, logger), undefined)
  t.match(lines, [{ user_id: idOf(20), fields: [/roles/, /createdAt/] }])
  t.equal(lines.length, 1)
  t.notMatch(JSON.stringify(lines), /jane|User \d/)
  t.match((await app.inject('/metrics')).body, /^query_unreadable_users_total [1-9]/m)
})
