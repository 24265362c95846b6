import { once } from 'node:events'
import { connect } from 'node:net'
import { eventually, wrongClock } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t)
const { send, newUser, newAdmin, database, server } = api
const replica = await api.replica()
const users = database.db.collection<any>('users')
const register = '/api/v1/auth/register'
const newKey = () => `"${crypto.randomUUID()}"`
const jane = () => ({
  email: `${crypto.randomUUID()}@example.com`,
  password: 'password123',
  name: 'Jane',
  roles: ['buyer'],
})
const sendOnce = (
  method: string,
  path: string,
  body: object,
  key: string,
  as?: string,
  more: Record<string, string> = {},
) => send(method, path, body, as, { 'idempotency-key': key, ...more })
const logIn = async ({ email, password }: { email: string; password: string }): Promise<string> =>
  (await send('POST', '/api/v1/auth/login', { email, password })).body.accessToken
/** Sends the same request three times to each of two processes, all concurrently. */
async function onBoth(method: string, path: string, body: object, key: string, as?: string) {
  const headers = {
    'content-type': 'application/json',
    'idempotency-key': key,
    ...(as && { authorization: `Bearer ${as}` }),
  }
  return Promise.all(
    [api, replica, api, replica, api, replica].map(async ({ url }) => {
      const response = await fetch(url + path, { method, headers, body: JSON.stringify(body) })
      const isReplay = response.headers.get('idempotency-replayed') === 'true'
      return { status: response.status, body: (await response.json()) as any, isReplay }
    }),
  )
}
/** Type and version of each event of a user that reached the stream, once its outbox is empty. */
async function eventsOf(id: string) {
  await eventually(async () => (await users.findOne({ _id: id })).outbox.length === 0)
  return (await api.stream()).filter(({ subject }) => subject === id).map(({ type, version }) => `${type} ${version}`)
}
const headersOf = ({ headers }: { headers: Headers }) =>
  ['location', 'etag', 'idempotency-replayed'].map((name) => headers.get(name))

t.test('a repeated registration gets the first answer, also after the user has changed', async (t) => {
  const [key, body] = [newKey(), jane()]
  const first = await sendOnce('POST', register, body, key)
  t.match({ status: first.status, headers: headersOf(first) }, { status: 201, headers: [String, '"1"', null] })
  const { id } = first.body
  const token = await logIn(body)
  await send('PUT', `/api/v1/users/${id}`, { name: 'Other', roles: ['seller'] }, token)
  for (let n = 0; n < 2; n++) {
    const again = await sendOnce('POST', register, body, key)
    t.strictSame([again.status, again.body], [201, first.body])
    t.strictSame(headersOf(again), [`/api/v1/users/${id}`, '"1"', 'true'])
  }
  t.equal(await users.countDocuments({ email: body.email }), 1)
})

t.test('a key with another registration is refused, whichever field differs', async (t) => {
  const [key, body] = [newKey(), jane()]
  await sendOnce('POST', register, body, key)
  for (const other of [
    { ...body, name: 'Jo' },
    { ...body, roles: ['seller'] },
    { ...body, password: 'password124' },
  ])
    t.match(await sendOnce('POST', register, other, key), { status: 422, body: { code: 'idempotency-key-reused' } })
  t.match(await sendOnce('POST', register, body, newKey()), { status: 409, body: { code: 'email-taken' } })
})

t.test('the keys of two clients that count from one do not collide', async () => {
  for (const body of [jane(), jane()]) t.equal((await sendOnce('POST', register, body, '"1"')).status, 201)
})

t.test('a refused request is not recorded: its key can be used again', async (t) => {
  const [key, body] = [newKey(), jane()]
  t.equal((await sendOnce('POST', register, { ...body, roles: ['admin'] }, key)).status, 403)
  t.equal((await sendOnce('POST', register, body, key)).status, 201)
})

t.test('concurrent registrations with one key, on two processes, are one registration with one answer', async (t) => {
  const [key, body] = [newKey(), jane()]
  const answers = await onBoth('POST', register, body, key)
  t.strictSame(
    answers.map(({ status }) => status),
    Array(6).fill(201),
  )
  for (const answer of answers) t.strictSame(answer.body, answers[0]?.body)
  t.equal(answers.filter(({ isReplay }) => !isReplay).length, 1)
  t.equal(await users.countDocuments({ email: body.email }), 1)
  t.strictSame(await eventsOf(answers[0]?.body.id), ['UserCreated 1'])
})

t.test('a client whose answer was cut off, also by kill -9, gets it by repeating the request', async (t) => {
  for (const cut of ['client', 'kill -9']) {
    const [key, body] = [newKey(), jane()]
    const payload = JSON.stringify(body)
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(
      `POST ${register} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nIdempotency-Key: ${key}\r\n` +
        `Content-Length: ${Buffer.byteLength(payload)}\r\n\r\n${payload}`,
    )
    if (cut === 'client') socket.destroy()
    const stored = await eventually(async () => (await users.findOne({ email: body.email })) ?? false, {
      intervalMs: 1,
    })
    if (cut === 'kill -9') {
      await server.kill()
      await server.start()
    }
    socket.destroy()
    const again = await sendOnce('POST', register, body, key)
    t.match([again.status, again.body.id], [201, stored._id], cut)
    t.equal(again.headers.get('idempotency-replayed'), 'true')
  }
})

t.test('a repeated update is not done twice and gets the first answer', async (t) => {
  const { user, token } = await newUser()
  const self = `/api/v1/users/${user.id}`
  const [key, body] = [newKey(), { name: 'Second', roles: ['seller', 'buyer'] }]
  const first = await sendOnce('PUT', self, body, key, token, { 'if-match': '"1"' })
  t.match({ status: first.status, headers: headersOf(first) }, { status: 200, headers: [null, '"2"', null] })
  await send('PUT', self, { name: 'Third', roles: ['buyer'] }, token)
  const again = await sendOnce('PUT', self, body, key, token, { 'if-match': '"1"' })
  t.strictSame([again.status, again.body], [200, first.body])
  t.strictSame(headersOf(again), [null, '"2"', 'true'])
  t.match(await users.findOne({ _id: user.id }), { name: 'Third', version: 3 })
  const other = await sendOnce('PUT', self, { ...body, name: 'Fourth' }, key, token)
  t.match(other, { status: 422, body: { code: 'idempotency-key-reused' } })
})

t.test('an update without a change is recorded as well', async (t) => {
  const { user, token } = await newUser()
  const self = `/api/v1/users/${user.id}`
  const [key, body] = [newKey(), { name: user.name, roles: user.roles }]
  const first = await sendOnce('PUT', self, body, key, token)
  t.equal(first.body.version, 1)
  await send('PUT', self, { name: 'Second', roles: ['buyer'] }, token)
  const again = await sendOnce('PUT', self, body, key, token)
  t.strictSame([again.status, again.body, again.headers.get('idempotency-replayed')], [200, first.body, 'true'])
  t.match(await users.findOne({ _id: user.id }), { name: 'Second', version: 2 })
})

for (const [what, name, version] of [
  ['', 'Once', 2],
  [' and without a change', 'Jo', 1],
] as const) {
  t.test(`concurrent updates with one key${what}, on two processes, are one update with one answer`, async (t) => {
    const { user, token } = await newUser()
    const answers = await onBoth('PUT', `/api/v1/users/${user.id}`, { name, roles: ['buyer'] }, newKey(), token)
    t.strictSame(
      answers.map(({ status }) => status),
      Array(6).fill(200),
    )
    for (const answer of answers) t.strictSame(answer.body, answers[0]?.body)
    t.equal(answers.filter(({ isReplay }) => !isReplay).length, 1)
    const stored = await users.findOne({ _id: user.id })
    t.match({ version: stored.version, updates: stored.updatesDone.length }, { version, updates: 1 })
    t.strictSame(await eventsOf(user.id), ['UserCreated 1', 'UserUpdated 2'].slice(0, version))
  })
}

t.test('of concurrent updates with one key and two bodies one succeeds, also if it changes nothing', async (t) => {
  const { user, token } = await newUser()
  const self = `/api/v1/users/${user.id}`
  const key = newKey()
  const answers = await Promise.all(
    ['Jo', 'Other', 'Jo', 'Other'].map((name) => sendOnce('PUT', self, { name, roles: ['buyer'] }, key, token)),
  )
  const done = answers.filter(({ status }) => status === 200)
  t.equal(new Set(done.map(({ body }) => body.name)).size, 1)
  for (const refused of answers.filter(({ status }) => status !== 200))
    t.match(refused, { status: 422, body: { code: 'idempotency-key-reused' } })
  t.equal(done.length, 2)
})

t.test('the same key of another caller is another key', async (t) => {
  const { user, token } = await newUser()
  const { token: admin } = await newAdmin()
  const key = newKey()
  await sendOnce('PUT', `/api/v1/users/${user.id}`, { name: 'Mine', roles: ['buyer'] }, key, token)
  const theirs = await sendOnce('PUT', `/api/v1/users/${user.id}`, { name: 'Theirs', roles: ['buyer'] }, key, admin)
  t.match([theirs.status, theirs.body.name], [200, 'Theirs'])
})

t.test('a process whose clock is wrong knows how long a key is valid', async (t) => {
  const fast = await api.replica(wrongClock(25 * 3_600_000))
  const [key, body] = [newKey(), jane()]
  const { body: user } = await sendOnce('POST', register, body, key)
  const headers = { 'content-type': 'application/json', 'idempotency-key': key }
  const again = await fetch(fast.url + register, { method: 'POST', headers, body: JSON.stringify(body) })
  t.strictSame([again.status, await again.json()], [201, user])
})

t.test('a replayed update answers the roles in the order of the first answer', async (t) => {
  const { user, token } = await newUser({ roles: ['buyer', 'seller'] })
  for (const name of [user.name, 'Another']) {
    const [key, body] = [newKey(), { name, roles: ['seller', 'buyer'] }]
    const first = await sendOnce('PUT', `/api/v1/users/${user.id}`, body, key, token)
    const again = await sendOnce('PUT', `/api/v1/users/${user.id}`, body, key, token)
    t.strictSame(again.body, first.body)
    t.equal(again.headers.get('idempotency-replayed'), 'true')
    // A record from before the order was kept.
    await users.updateOne({ _id: user.id }, { $unset: { 'updatesDone.$[].roles': 1 } })
    t.strictSame(
      new Set((await sendOnce('PUT', `/api/v1/users/${user.id}`, body, key, token)).body.roles),
      new Set(user.roles),
    )
  }
})

t.test('a key expires after a day', async (t) => {
  const yesterday = new Date(Date.now() - 24 * 3_600_000)
  const [key, body] = [newKey(), jane()]
  const { body: user } = await sendOnce('POST', register, body, key)
  await users.updateOne({ _id: user.id }, { $set: { 'registrationDone.at': yesterday } })
  t.equal((await sendOnce('POST', register, jane(), key)).status, 201, 'for another registration')

  const token = await logIn(body)
  const put = (name: string) => sendOnce('PUT', `/api/v1/users/${user.id}`, { name, roles: ['buyer'] }, key, token)
  await put('Second')
  await users.updateOne({ _id: user.id }, { $set: { 'updatesDone.0.at': yesterday } })
  t.equal((await put('Third')).body.version, 3)
  t.equal((await put('Third')).headers.get('idempotency-replayed'), 'true')
})

t.test(
  'records hold no key, no password and no personal data, are bounded, and are deleted with the user',
  async (t) => {
    const [key, body] = ['"the very key"', { ...jane(), name: 'Jane Kept' }]
    const { body: user } = await sendOnce('POST', register, body, key)
    const token = await logIn(body)
    const self = `/api/v1/users/${user.id}`
    for (let n = 0; n < 52; n++)
      await sendOnce('PUT', self, { name: `Jane Kept ${n}`, roles: ['buyer'] }, newKey(), token)
    const { registrationDone, updatesDone } = await users.findOne({ _id: user.id })
    t.equal(updatesDone.length, 50)
    t.notMatch(
      JSON.stringify([registrationDone, updatesDone]),
      new RegExp(`the very key|Kept|password|argon2|${body.email}`),
    )
    await send('DELETE', self, undefined, token)
    t.strictSame(
      Object.keys(await users.findOne({ _id: user.id })).filter((field) => field.endsWith('Done')),
      [],
    )
    t.equal((await sendOnce('POST', register, body, key)).body.version, 1, 'a new registration')
  },
)

t.test('a key that is not a structured-field string is refused', async (t) => {
  const { user, token } = await newUser()
  for (const key of ['abc', '""', '"abc', '"a"; p=1', '"ä"', '"a\\b"', `"${'x'.repeat(256)}"`, ':YWJj:', '"a", "b"']) {
    for (const [method, path, body] of [
      ['POST', register, jane()],
      ['PUT', `/api/v1/users/${user.id}`, { name: 'X', roles: ['buyer'] }],
    ] as const) {
      t.match(await sendOnce(method, path, body, key, token), {
        status: 400,
        body: { code: 'validation-failed', errors: [{ pointer: '#/headers/idempotency-key' }] },
      })
    }
  }
  t.equal((await sendOnce('POST', register, jane(), '"with \\"quotes\\" and \\\\"')).status, 201)
})
