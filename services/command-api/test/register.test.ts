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

t.test('an event names the request and the trace that caused it; malformed headers are replaced', async (t) => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const id = 'ce929d0e0e47364bf92f3577b34da6a3'
  const register = async (email: string, headers: Record<string, string>) => {
    const answer = await send('POST', '/api/v1/auth/register', { ...jane, email }, undefined, headers)
    const requestid = answer.headers.get('x-request-id')
    return { requestid, event: await published(answer.body.id, 'created') }
  }
  const given = await register('traced@example.com', { traceparent, 'x-request-id': 'from-a-proxy:1' })
  t.match(given, { requestid: 'from-a-proxy:1', event: { traceparent, requestid: 'from-a-proxy:1' } })
  const half = await register('half@example.com', { 'x-request-id': id })
  t.match(half, { requestid: id, event: { traceparent: new RegExp(`^00-${id}-[0-9a-f]{16}-00$`), requestid: id } })
  const { requestid, event } = await register('odd@example.com', { traceparent: '$where: 1', 'x-request-id': 'a@b c' })
  t.match(requestid, /^[0-9a-f]{32}$/)
  t.match(event, { requestid, traceparent: `00-${requestid}-` })
})
