/**
 * The mission's walk-through of a running system, for compose.sh: `node walk-through.ts BASE_URL MAIL_PAGE
 * first|again`. It keeps one user, and `again` looks for the one of the previous run. Exits with 1 and a message at the
 * first unexpected response.
 */
import assert from 'node:assert/strict'
import { eventually } from '@cqrs/local-stack/testing'

const [baseUrl, mailPage, time] = process.argv.slice(2)
assert.ok(baseUrl && mailPage && (time === 'first' || time === 'again'), 'BASE_URL MAIL_PAGE first|again')

// A process that was just killed may still be catching up.
const soon = (attempt: () => Promise<boolean>) => eventually(attempt, { timeoutMs: 15_000 })
const password = 'password123'
const buyer = (email: string) => ({ email, password, name: 'Test User', roles: ['buyer'] })

if (time === 'first') assert.equal((await send('POST', '/auth/register', buyer('stays@example.com'))).status, 201)
const stays = await logIn('stays@example.com')
await soon(async () => (await send('GET', `/users/${stays.id}`, undefined, stays.token)).status === 200)

const email = `walker-${crypto.randomUUID()}@example.com`
const registered = await send('POST', '/auth/register', buyer(email))
assert.equal(registered.status, 201)
assert.equal((await send('POST', '/auth/register', buyer(email))).status, 409)
assert.equal((await send('POST', '/auth/login', { email, password: 'guessed-wrong' })).status, 401)
const { id, token } = await logIn(email)
const get = (path: string) => send('GET', path, undefined, token)
const listed = async (path: string) => (await get(path)).body.data.some((user) => user.id === id)

await soon(async () => (await get(`/users/${id}`)).body.roleCount === 1)
assert.equal((await send('GET', `/users/${id}`)).status, 401)
assert.ok(await listed('/users?limit=10&offset=0'))
assert.ok(await listed('/users/by-role/buyer?limit=10&offset=0'))
assert.ok(!(await listed('/users/by-role/seller?limit=10&offset=0')))

const changed = await send('PUT', `/users/${id}`, { name: 'Jane Doe', roles: ['buyer', 'seller'] }, token)
assert.deepEqual([changed.status, changed.body.version], [200, 2])
await soon(async () => (await get(`/users/${id}`)).body.isSeller === true)
// The message list of Mailpit or of maildev, whichever is used: both contain the address.
await soon(async () => {
  const lists = await Promise.all(['/api/v1/messages?limit=500', '/email'].map((path) => fetch(mailPage + path)))
  return (await Promise.all(lists.map((list) => list.text()))).some((text) => text.includes(email))
})
assert.equal((await send('DELETE', `/users/${id}`, undefined, token)).status, 204)
await soon(async () => (await send('GET', `/users/${id}`, undefined, stays.token)).status === 404)
assert.equal((await send('POST', '/auth/login', { email, password })).status, 401)

async function logIn(email: string): Promise<{ id: string; token: string }> {
  const { status, body } = await send('POST', '/auth/login', { email, password })
  assert.equal(status, 200)
  const { sub } = JSON.parse(Buffer.from(body.accessToken.split('.')[1], 'base64url').toString())
  return { id: sub, token: body.accessToken }
}

async function send(method: string, path: string, body?: object, token?: string) {
  const response = await fetch(`${baseUrl}/api/v1${path}`, {
    method,
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const answer = await response.text()
  return { status: response.status, body: JSON.parse(answer || '{}') as Body }
}

/** The members of a response that are checked. */
type Body = { accessToken: string; version: number; roleCount: number; isSeller: boolean; data: { id: string }[] }
