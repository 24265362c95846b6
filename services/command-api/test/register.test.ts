import t from 'tap'
import { startCommandApi } from './fixture.ts'

const { send, database, published } = await startCommandApi(t)
const jane = { email: 'Jane@Example.com', password: 'pässword 123 ', name: 'Jane Doe', roles: ['buyer', 'seller'] }

t.test('a registration answers 201 with the user, its location and its version', async (t) => {
  const { status, headers, body } = await send('POST', '/api/v1/auth/register', jane)
  t.equal(status, 201)
  t.equal(headers.get('location'), `/api/v1/users/${body.id}`)
  t.equal(headers.get('etag'), '"1"')
  t.match(body, { email: 'jane@example.com', name: 'Jane Doe', roles: ['buyer', 'seller'], isActive: true, version: 1 })
  t.strictSame(Object.keys(body).sort(), [
    'createdAt',
    'email',
    'id',
    'isActive',
    'name',
    'roles',
    'updatedAt',
    'version',
  ])
})

t.test('the password is stored only as argon2id with OWASP’s parameters', async (t) => {
  const stored = await database.db.collection('users').findOne({ email: 'jane@example.com' })
  t.match(stored?.passwordHash, /^\$argon2id\$v=19\$m=19456,p=1,t=2\$/)
  t.notMatch(JSON.stringify(stored), /pässword/)
})

t.test('an e-mail address that is taken is refused, also in another case', async (t) => {
  for (const email of ['Jane@Example.com', 'jane@example.com', 'JANE@EXAMPLE.COM']) {
    const { status, body } = await send('POST', '/api/v1/auth/register', { ...jane, email })
    t.match({ status, code: body.code }, { status: 409, code: 'email-taken' })
    t.notMatch(JSON.stringify(body), /jane/i, 'the answer does not repeat the address')
  }
})

t.test('one of many concurrent registrations of an address succeeds', async (t) => {
  const attempts = Array.from({ length: 10 }, () =>
    send('POST', '/api/v1/auth/register', { ...jane, email: 'race@example.com' }),
  )
  const statuses = (await Promise.all(attempts)).map(({ status }) => status)
  t.strictSame(statuses.sort(), [201, ...Array(9).fill(409)])
})

t.test('a valid trace context is copied into the event, a malformed one is not', async (t) => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  for (const [email, value, expected] of [
    ['traced@example.com', traceparent, traceparent],
    ['odd@example.com', '$where: 1', undefined],
  ] as const) {
    const { body } = await send('POST', '/api/v1/auth/register', { ...jane, email }, undefined, { traceparent: value })
    t.equal((await published(body.id, 'created')).traceparent, expected)
  }
})
