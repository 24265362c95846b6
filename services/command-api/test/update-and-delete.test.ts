import { readConsistencyToken } from '@cqrs/contracts'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const { send, newUser, newAdmin, database, published, stream } = await startCommandApi(t)
const { token: admin } = await newAdmin()
const users = database.db.collection<any>('users')

t.test('a user changes its name and roles; the next version is published', async (t) => {
  const { user, token } = await newUser()
  const { status, headers, body } = await send(
    'PUT',
    `/api/v1/users/${user.id}`,
    { name: 'Jane Doe', roles: ['buyer', 'seller'] },
    token,
  )
  t.match(
    { status, body },
    { status: 200, body: { id: user.id, name: 'Jane Doe', roles: ['buyer', 'seller'], version: 2 } },
  )
  t.equal(headers.get('etag'), '"2"')
  t.match(await published(user.id, 'updated'), {
    version: 2,
    data: { changed: ['name', 'roles'], user: { name: 'Jane Doe' } },
  })
})

t.test('an update that changes nothing answers the user and publishes nothing', async (t) => {
  const { user, token } = await newUser()
  const { status, body } = await send('PUT', `/api/v1/users/${user.id}`, { name: user.name, roles: user.roles }, token)
  t.match({ status, body }, { status: 200, body: user })
  const { version, outbox } = await users.findOne({ _id: user.id })
  t.equal(version, 1)
  t.notOk(outbox.some(({ type }: { type: string }) => type === 'UserUpdated'))
  t.notOk((await stream()).some(({ type, subject }) => type === 'UserUpdated' && subject === user.id))
})

t.test('concurrent updates all succeed, with consecutive versions', async (t) => {
  const { user, token } = await newUser()
  const names = ['A', 'B', 'C', 'D']
  const answers = await Promise.all(
    names.map((name) => send('PUT', `/api/v1/users/${user.id}`, { name, roles: ['buyer'] }, token)),
  )
  t.strictSame(
    answers.map(({ status }) => status),
    [200, 200, 200, 200],
  )
  t.strictSame(answers.map(({ body }) => body.version).sort(), [2, 3, 4, 5])
})

t.test('many concurrent updates of one user take effect one after the other', async (t) => {
  const { user, token } = await newUser()
  const rename = (n: number) => send('PUT', `/api/v1/users/${user.id}`, { name: `N${n}`, roles: ['buyer'] }, token)
  const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => rename(n)))
  t.strictSame(
    answers.filter(({ status }) => status !== 200).map(({ body }) => body),
    [],
  )
  const versions = answers.map(({ body }) => body.version).sort((one, other) => one - other)
  t.strictSame(
    versions,
    Array.from({ length: 100 }, (_, n) => n + 2),
  )
})

t.test('only an admin may change somebody else', async (t) => {
  const { user } = await newUser()
  const stranger = await newUser()
  for (const [method, body] of [
    ['PUT', { name: 'X', roles: ['buyer'] }],
    ['DELETE', undefined],
  ] as const) {
    t.match(await send(method, `/api/v1/users/${user.id}`, body, stranger.token), {
      status: 403,
      body: { code: 'not-allowed' },
    })
  }
  t.match(await send('PUT', `/api/v1/users/${user.id}`, { name: 'By admin', roles: ['admin'] }, admin), {
    status: 200,
    body: { roles: ['admin'] },
  })
  t.match(await send('DELETE', `/api/v1/users/${user.id}`, undefined, admin), { status: 204 })
})

t.test('users cannot give themselves the role admin', async (t) => {
  const { user, token } = await newUser()
  t.match(await send('PUT', `/api/v1/users/${user.id}`, { name: 'X', roles: ['admin'] }, token), {
    status: 403,
    body: { code: 'role-not-allowed' },
  })
})

t.test('a deleted user leaves a tombstone without personal data, and its address is free again', async (t) => {
  const { user, email, password, token } = await newUser({ name: 'Jane Unforgettable' })
  const { status, headers } = await send('DELETE', `/api/v1/users/${user.id}`, undefined, token)
  t.equal(status, 204)
  t.equal(headers.get('etag'), '"2"')
  const stored = await users.findOne({ _id: user.id })
  t.match(stored, { _id: user.id, version: 2, deletedAt: Date })
  t.notMatch(JSON.stringify([stored, await published(user.id, 'deleted')]), new RegExp(`${email}|Unforgettable|argon2`))
  const again = (as: string) => send('DELETE', `/api/v1/users/${user.id}`, undefined, as)
  t.match(await again(token), { status: 401, body: { code: 'token-revoked' } })
  const repeated = await again(admin)
  t.match(repeated, { status: 404, body: { code: 'user-not-found' } })
  const seen = readConsistencyToken(repeated.headers.get('consistency-token') ?? '')
  t.match(seen, { users: [[user.id, 2]] }, 'queries wait for the deletion, as after the first answer')
  t.match(await send('PUT', `/api/v1/users/${user.id}`, { name: 'X', roles: ['buyer'] }, admin), { status: 404 })
  t.match(await send('POST', '/api/v1/auth/register', { email, password, name: 'Next', roles: ['buyer'] }), {
    status: 201,
  })
})

t.test('a deletion drops unpublished events', async (t) => {
  const { user, token, email } = await newUser()
  const unpublished = { id: 'x', type: 'UserUpdated', data: { user: { email } } }
  await users.updateOne({ _id: user.id }, { $set: { outbox: [unpublished] } })
  await send('DELETE', `/api/v1/users/${user.id}`, undefined, token)
  t.notMatch(JSON.stringify(await users.findOne({ _id: user.id })), email)
})
