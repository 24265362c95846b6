import { createHash } from 'node:crypto'
import { type DigestReply, digestLine, type PageReply, syncSubjects, type UserEvent } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t)
const { ask, send, newUser } = api
const users = (await Promise.all([newUser(), newUser(), newUser(), newUser()])).sort((a, b) =>
  a.user.id < b.user.id ? -1 : 1,
)
const [first, second, third, gone] = users as [
  (typeof users)[0],
  (typeof users)[0],
  (typeof users)[0],
  (typeof users)[0],
]
await send('PUT', `/api/v1/users/${second.user.id}`, { name: 'Changed', roles: ['seller'] }, second.token)
await send('DELETE', `/api/v1/users/${gone.user.id}`, undefined, gone.token)
// Created three times, updated, and deleted: the purged ones are gone.
await eventually(async () => (await api.stream()).length === 5)

const live = [
  { id: first.user.id, version: 1 },
  { id: second.user.id, version: 2 },
  { id: third.user.id, version: 1 },
]
const digestOf = (of: typeof live) => createHash('sha256').update(of.map(digestLine).join('')).digest('hex')

t.test('digests page through the live users up to the end', async (t) => {
  const page: DigestReply = await ask(syncSubjects.digest, { after: '', limit: 2 })
  t.strictSame(page, { upTo: second.user.id, count: 2, digest: digestOf(live.slice(0, 2)) })
  const rest: DigestReply = await ask(syncSubjects.digest, { after: page.upTo, limit: 2 })
  t.strictSame(rest, { upTo: null, count: 1, digest: digestOf(live.slice(2)) })
})

t.test('versions name the users of a range', async (t) => {
  const range = { after: first.user.id, upTo: second.user.id }
  t.strictSame(await ask(syncSubjects.versions, range), { users: [[second.user.id, 2]], pending: [] })
  t.equal((await ask(syncSubjects.versions, { after: '', upTo: null })).users.length, 3)
})

t.test('a user with an unpublished event is reported as pending', async (t) => {
  // Younger than the sweeper's grace period, so that it stays pending.
  await api.database.db
    .collection<any>('users')
    .updateOne({ _id: third.user.id }, { $set: { pendingSince: new Date(Date.now() + 60_000) } })
  t.strictSame((await ask(syncSubjects.versions, { after: '', upTo: null })).pending, [third.user.id])
  await api.database.db.collection<any>('users').updateOne({ _id: third.user.id }, { $unset: { pendingSince: 1 } })
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

t.test('users are republished, never as registrations, and not dropped as duplicates', async (t) => {
  const orphan = '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'
  const request = {
    users: [
      { id: first.user.id, readVersion: 0 },
      { id: second.user.id, readVersion: 1 },
      { id: third.user.id, readVersion: 1 },
      { id: gone.user.id, readVersion: 1 },
      { id: orphan, readVersion: 7 },
    ],
  }
  const before = (await api.stream()).length
  t.strictSame(await ask(syncSubjects.republish, request), { published: 4 })
  t.strictSame(await ask(syncSubjects.republish, request), { published: 4 })
  const said = (await api.stream())
    .slice(before)
    .map(({ type, subject, version }: UserEvent) => ({ type, subject, version }))
  t.equal(said.length, 8)
  for (const event of [
    { type: 'UserUpdated', subject: first.user.id, version: 1 },
    { type: 'UserUpdated', subject: second.user.id, version: 2 },
    { type: 'UserDeleted', subject: gone.user.id, version: 2 },
    { type: 'UserDeleted', subject: orphan, version: 8 },
  ]) {
    t.equal(
      said.filter((other) => JSON.stringify(other) === JSON.stringify(event)).length,
      2,
      `${event.type} ${event.version}`,
    )
  }
})

t.test('a malformed request gets an error', async (t) => {
  for (const request of [
    {},
    { after: 'no id', limit: 1 },
    { after: '', limit: 1e9 },
    { after: { $ne: '' }, limit: 1 },
  ]) {
    t.strictSame(await ask(syncSubjects.digest, request), { error: 'failed' })
  }
})
