import { createHash } from 'node:crypto'
import { type DigestReply, digestLine, type PageReply, stateText, syncSubjects, type UserEvent } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import { type Document, MongoClient } from 'mongodb'
import t from 'tap'
import { UserSync } from '../src/store/user-sync.ts'
import { ensureIdentity } from '../src/store/write-database.ts'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t)
const { ask, send, newUser } = api
const { db } = api.database
const users = db.collection<any>('users')
const orphan = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'
const unknown = { readVersion: 0, remedy: 'restate' }
const accounts = (await Promise.all([newUser(), newUser(), newUser(), newUser()])).sort((a, b) =>
  a.user.id < b.user.id ? -1 : 1,
)
const [first, second, third, gone] = accounts as [
  (typeof accounts)[0],
  (typeof accounts)[0],
  (typeof accounts)[0],
  (typeof accounts)[0],
]
await send('PUT', `/api/v1/users/${second.user.id}`, { name: 'Changed', roles: ['seller'] }, second.token)
await send('DELETE', `/api/v1/users/${gone.user.id}`, undefined, gone.token)
// Created three times, updated, and deleted: the purged ones are gone.
await eventually(async () => (await api.stream()).length === 5)

const fields = ['email', 'name', 'roles', 'createdOn', 'tokensFromVersion', 'tokensRevokedAt'] as const
const live = [
  { user: first.user, version: 1, name: 'Jo', roles: ['buyer'] },
  { user: second.user, version: 2, name: 'Changed', roles: ['seller'] },
  { user: third.user, version: 1, name: 'Jo', roles: ['buyer'] },
].map(({ user, version, name, roles }) => {
  const state = stateText({ email: user.email, name, roles, createdOn: user.createdAt.slice(0, 10) }, fields)
  return { id: user.id, version, state, content: createHash('sha256').update(state).digest('base64url') }
})
const digestOf = (of: typeof live) =>
  createHash('sha256')
    .update(of.map(({ id, version, state }) => digestLine(id, version, state)).join(''))
    .digest('hex')
const { writeDatabase } = (await db.collection<any>('identity').findOne()) ?? {}

t.test('digests page through the live users up to the end', async (t) => {
  const page: DigestReply = await ask(syncSubjects.digest, { after: '', limit: 2, fields })
  t.strictSame(page, { upTo: second.user.id, count: 2, digest: digestOf(live.slice(0, 2)), writeDatabase })
  const rest: DigestReply = await ask(syncSubjects.digest, { after: page.upTo, limit: 2, fields })
  t.strictSame(rest, { upTo: null, count: 1, digest: digestOf(live.slice(2)), writeDatabase })
})

t.test('versions name the users of a range with their content, and tombstones without one', async (t) => {
  const range = { after: first.user.id, upTo: second.user.id, limit: 10, fields }
  const [, { id, version, content } = {}] = live
  t.strictSame(await ask(syncSubjects.versions, range), { users: [{ id, version, content }], writeDatabase })
  const { users } = await ask(syncSubjects.versions, { after: second.user.id, upTo: null, limit: 10, fields })
  t.strictSame(users[1], { id: gone.user.id, version: 2 })
  t.equal((await ask(syncSubjects.versions, { after: '', upTo: null, limit: 3, fields })).users.length, 3)
})

t.test('a user with an unpublished event is reported as pending', async (t) => {
  // Younger than the sweeper's grace period, so that it stays pending.
  await users.updateOne({ _id: third.user.id }, { $set: { pendingSince: new Date(Date.now() + 60_000) } })
  const range = { after: second.user.id, upTo: third.user.id, limit: 10, fields }
  t.match((await ask(syncSubjects.versions, range)).users, [{ pending: true }])
  await users.updateOne({ _id: third.user.id }, { $unset: { pendingSince: 1 } })
})

t.test('a document of another shape is compared like the others', async (t) => {
  const { _id, ...rest } = await users.findOne({ _id: third.user.id })
  await users.updateOne({ _id }, { $unset: { roles: 1, createdAt: 1 }, $set: { name: 7 } })
  t.match(await ask(syncSubjects.digest, { after: '', limit: 10, fields }), { count: 3, digest: String })
  const asked = { writeDatabase, users: [first, third].map(({ user: { id } }) => ({ id, ...unknown })) }
  t.match(await ask(syncSubjects.republish, asked), { published: 1 }, 'and does not hold up their repair')
  await users.replaceOne({ _id }, rest)
})

t.test('pages have whole states and tombstones, and no secret', async (t) => {
  const { snapshots, next, total }: PageReply = await ask(syncSubjects.page, { after: '', limit: 100 })
  t.match(snapshots, [
    { user: { name: 'Jo' }, tokensFromVersion: 1 },
    { version: 2, user: { name: 'Changed', roles: ['seller'] } },
    {},
    { version: 2, deletedAt: String },
  ])
  t.match({ next, total }, { next: null, total: 4 })
  t.notMatch(JSON.stringify(snapshots), /argon2|passwordHash|outbox/)
  t.equal((await ask(syncSubjects.page, { after: '', limit: 3 })).next, third.user.id)
})

t.test('a malformed user is left out of a page, and does not fail the others', async (t) => {
  const ids = ['019a6f0c-3b5e-7c21-9d52-000000000001', '019a6f0c-3b5e-7c21-9d52-000000000002'] as const
  await users.insertOne({ _id: ids[0], email: 'no-dates@example.com', version: 1, outbox: [] })
  await users.insertOne({ ...(await users.findOne({ _id: first.user.id })), _id: ids[1], email: 7 })
  const { snapshots, total }: PageReply = await ask(syncSubjects.page, { after: '', limit: 100 })
  t.equal(snapshots.length, total - 2)
  await users.deleteMany({ _id: { $in: ids } })
})

t.test('users are republished, never as registrations, and not dropped as duplicates', async (t) => {
  const request = {
    writeDatabase,
    users: [
      { id: first.user.id, ...unknown },
      { id: second.user.id, readVersion: 1, remedy: 'restate' },
      { id: third.user.id, readVersion: 1, remedy: 'restate' },
      { id: gone.user.id, readVersion: 1, remedy: 'restate' },
      { id: orphan, readVersion: 7, remedy: 'delete' },
    ],
  }
  const before = (await api.stream()).length
  t.match(await ask(syncSubjects.republish, request), { published: 4 })
  t.match(await ask(syncSubjects.republish, request), { published: 4 })
  const said = (await api.stream())
    .slice(before)
    .map(({ type, subject, version }: UserEvent) => `${type} ${subject} ${version}`)
  t.equal(said.length, 8)
  for (const event of [
    `UserUpdated ${first.user.id} 1`,
    `UserUpdated ${second.user.id} 2`,
    `UserDeleted ${gone.user.id} 2`,
    `UserDeleted ${orphan} 8`,
  ])
    t.equal(said.filter((other) => other === event).length, 2, event)
})

t.test('a user is raised above the version of the read side, with an event of its own', async (t) => {
  const { id } = first.user
  const raise = (readVersion: number) =>
    ask(syncSubjects.republish, { writeDatabase, users: [{ id, readVersion, remedy: 'raise' }] })
  t.match(await raise(41), { published: 1 })
  t.match(await api.published(id, 'updated'), { version: 42, data: { user: { name: 'Jo' }, changed: [] } })
  t.match(await users.findOne({ _id: id }), { version: 42 })
  t.match(await raise(41), { published: 0 }, 'it is above already')
})

t.test('nobody is deleted whom the database has, without being asked to, or by another database', async (t) => {
  const aboutThem = async () => (await api.stream()).filter(({ subject }) => [orphan, second.user.id].includes(subject))
  const before = await aboutThem()
  for (const asked of [
    { id: orphan, readVersion: 7, remedy: 'restate' },
    { id: orphan, readVersion: 7, remedy: 'raise' },
    { id: second.user.id, readVersion: 9, remedy: 'delete' },
  ])
    t.match(await ask(syncSubjects.republish, { writeDatabase, users: [asked] }), { published: 0 })
  const remote = { writeDatabase: 'another', users: [{ id: orphan, readVersion: 7, remedy: 'delete' }] }
  t.strictSame(await ask(syncSubjects.republish, remote), { published: 0, writeDatabase })
  // As a projector of an earlier version asks.
  const early = { users: [{ id: orphan, readVersion: 7 }] }
  t.strictSame(await ask(syncSubjects.republish, early), { error: 'failed' })
  t.strictSame(await aboutThem(), before)
})

t.test('a malformed request gets an error', async (t) => {
  for (const request of [
    {},
    { after: 'no id', limit: 1, fields },
    { after: '', limit: 1e9, fields },
    { after: { $ne: '' }, limit: 1, fields },
    { after: '', limit: 1, fields: ['passwordHash'] },
  ]) {
    t.strictSame(await ask(syncSubjects.digest, request), { error: 'failed' })
  }
})

t.test('an emptied database answers nothing, and has another identity after `migrate`', async (t) => {
  await db.dropDatabase()
  for (const [subject, request] of [
    [syncSubjects.digest, { after: '', limit: 10, fields }],
    [syncSubjects.page, { after: '', limit: 10 }],
    [syncSubjects.republish, { writeDatabase, users: [{ id: first.user.id, readVersion: 7, remedy: 'delete' }] }],
  ] as const)
    t.strictSame(await ask(subject, request), { error: 'failed' })
  await ensureIdentity(db)
  await ensureIdentity(db)
  const { writeDatabase: other } = await ask(syncSubjects.digest, { after: '', limit: 10, fields })
  t.match(other, /^[0-9a-f-]{36}$/)
  t.not(other, writeDatabase)
})

t.test('the read side gets only what a majority has', async (t) => {
  const client = await new MongoClient(api.database.uri, { monitorCommands: true }).connect()
  t.teardown(() => client.close())
  const reads: Document[] = []
  client.on('commandStarted', ({ command }) => 'find' in command && reads.push(command))
  const sync = new UserSync(client.db())
  await sync.identity()
  await sync.digest('', 1, ['name'])
  await sync.versions('', null, 1, ['name'])
  await sync.page('', 1)
  await sync.findAny([orphan])
  t.equal(reads.length, 5)
  for (const { readConcern } of reads) t.match(readConcern, { level: 'majority' })
})
