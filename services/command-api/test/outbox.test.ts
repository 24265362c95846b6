import { randomUUIDv7 } from 'node:crypto'
import { eventWriters } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { type Change, register, remove, type User, update } from '../src/domain/user.ts'
import { Outbox } from '../src/store/outbox.ts'
import { UserRepository } from '../src/store/user-repository.ts'
import { type Account, startCommandApi } from './fixture.ts'

const smallHeap = { NODE_OPTIONS: '--max-old-space-size=96' }
const api = await startCommandApi(t, smallHeap)
const { send, newUser, database, nats } = api
const users = database.db.collection<any>('users')

/** Without NATS: everything stays in the outbox. */
const offline = await startCommandApi(t, { ...smallHeap, NATS_URL: 'nats://127.0.0.1:1' })

t.test('a user with too many pending events gets 503; revoking and deleting always pass', async (t) => {
  const { send, newUser, newAdmin, database } = offline
  const users = database.db.collection<any>('users')
  const outbox = async ({ user }: Account) => (await users.findOne({ _id: user.id })).outbox as any[]
  const put = ({ user, token }: Account, name: string, headers = {}) =>
    send('PUT', `/api/v1/users/${user.id}`, { name, roles: ['buyer'] }, token, headers)
  const full = { status: 503, body: { code: 'outbox-full' } }
  const admin = await newAdmin()

  const jo = await newUser()
  const key = { 'idempotency-key': `"${crypto.randomUUID()}"` }
  t.match(await put(jo, 'Known', key), { status: 200 })
  await fill(users, jo.user.id)
  const refused = await put(jo, 'One too many')
  t.match(refused, full)
  t.equal(refused.headers.get('retry-after'), '5')
  t.match(await put(jo, 'Known', key), { status: 200 }, 'a replay changes nothing')
  t.equal((await outbox(jo)).length, 100)
  t.match(await put(await newUser(), 'Somebody else'), { status: 200 })

  const deactivate = () => send('POST', `/api/v1/users/${jo.user.id}/deactivate`, undefined, admin.token)
  const activate = () => send('POST', `/api/v1/users/${jo.user.id}/activate`, undefined, admin.token)
  t.match(await deactivate(), { status: 200 })
  t.match(await outbox(jo), [
    { type: 'UserCreated' },
    { type: 'UserUpdated', version: 101, data: { user: { isActive: false } } },
  ])
  await fill(users, jo.user.id)
  t.match(await activate(), full)
  t.equal((await outbox(jo)).length, 100)

  for (const [what, run, left] of [
    ['logout-all', ({ token }: Account) => send('POST', '/api/v1/auth/logout-all', undefined, token), 2],
    [
      'a new password',
      ({ user, token, password }: Account) =>
        send(
          'POST',
          `/api/v1/users/${user.id}/password`,
          { currentPassword: password, newPassword: 'password1234' },
          token,
        ),
      2,
    ],
    ['a deletion', ({ user, token }: Account) => send('DELETE', `/api/v1/users/${user.id}`, undefined, token), 1],
  ] as const) {
    const account = await newUser()
    await fill(users, account.user.id)
    t.match(await run(account), { status: /^20[04]$/ }, what)
    t.equal((await outbox(account)).length, left, what)
  }
})

t.test('a document of 16 MiB from before there was a bound: revoking passes', async (t) => {
  const { send, newUser, database } = offline
  const users = database.db.collection<any>('users')
  const { user, token } = await newUser()
  await fill(users, user.id, 24_000)
  t.match(await send('POST', '/api/v1/auth/logout-all', undefined, token), { status: 204 })
  t.match((await users.findOne({ _id: user.id })).outbox, [{ type: 'UserCreated' }, { version: 24_001 }])
})

t.test('the database decides since when an event is pending, not the clock of a process', async (t) => {
  const { database, newUser } = offline
  const users = new UserRepository(database.db, eventWriters[2], async () => true)
  const { user } = await newUser()
  const pendingSince = async (id: string) =>
    (await database.db.collection<any>('users').findOne({ _id: id })).pendingSince.getTime() - Date.now()
  const current = (await users.findById(user.id)) as User
  const ahead = { now: new Date(Date.now() + 600_000), eventId: 'ahead' }
  const id = randomUUIDv7()
  const inserted = register(id, { email: 'ahead@example.com', name: 'Ahead', roles: ['buyer'] }, 'hash', ahead)
  await users.insert(inserted)
  t.ok((await pendingSince(id)) < 60_000)
  await t.rejects(users.insert({ ...inserted, state: { ...inserted.state, email: 'other@example.com' } }))
  await database.db.collection<any>('users').updateOne({ _id: id }, { $unset: { pendingSince: 1 } })
  const updated = update(inserted.state, { name: '$name', roles: ['buyer'] }, ahead) as Change
  t.ok(await users.save(updated, 1))
  t.equal((await users.findById(id))?.name, '$name')
  t.ok((await pendingSince(id)) < 60_000)
  t.ok(await users.bury(remove(current, ahead), 1))
  t.ok((await pendingSince(user.id)) < 60_000)
})

t.test('an event that is pending since a time in the future is published', async () => {
  const { user } = await newUser()
  await eventually(async () => (await users.findOne({ _id: user.id })).outbox.length === 0)
  const event = { ...(await api.published(user.id, 'created')), type: 'UserUpdated', id: 'a later one' }
  const pendingSince = new Date(Date.now() + 600_000)
  await users.updateOne({ _id: user.id }, { $set: { outbox: [event], pendingSince } })
  await api.published(user.id, 'updated')
})

t.test('40,000 pending events of five users are published in bounded batches', async (t) => {
  await nats.server.kill()
  for (let n = 0; n < 5; n++) await fill(users, (await newUser()).user.id, 8_000)
  for await (const events of new Outbox(database.db).pending()) t.ok(events.length <= 4_000)
  await nats.server.start()
  const [left] = await eventually(
    async () => {
      const found = await users.aggregate([{ $group: { _id: null, events: { $sum: { $size: '$outbox' } } } }]).toArray()
      return found[0]?.['events'] < 39_000 && found
    },
    { timeoutMs: 60_000 },
  )
  t.ok(left)
  t.match(await send('GET', '/healthz'), { status: 200 }, 'it did not run out of memory')
})

/** Plants pending events, of which the first is the registration. */
async function fill(collection: typeof users, _id: string, count = 100): Promise<void> {
  const [created] = (await collection.findOne({ _id })).outbox
  const updated = (n: number) => ({ ...created, type: 'UserUpdated', id: crypto.randomUUID(), version: n })
  const outbox = [created, ...Array.from({ length: count - 1 }, (_, i) => updated(i + 2))]
  await collection.updateOne({ _id }, { $set: { outbox, pendingSince: new Date(0) }, $max: { version: count } })
}
