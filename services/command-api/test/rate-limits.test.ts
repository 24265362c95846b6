import t from 'tap'
import { startCommandApi } from './fixture.ts'

const limits = {
  TRUSTED_PROXIES: '127.0.0.1',
  RATE_LIMIT_REGISTER: '3',
  RATE_LIMIT_LOGIN: '3',
  RATE_LIMIT_REFRESH: '3',
  RATE_LIMIT_CHANGE: '3',
}
const api = await startCommandApi(t, limits)
const replica = await api.replica()

for (const [what, path, body, before] of [
  ['registrations', '/api/v1/auth/register', { email: 'no address' }, 400],
  ['logins', '/api/v1/auth/login', { email: 'a@example.com', password: 'wrong password' }, 401],
  ['refreshes', '/api/v1/auth/refresh', { refreshToken: 'x'.repeat(43) }, 401],
] as const) {
  const from = (source: string, url = api.url) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': source },
      body: JSON.stringify(body),
    })

  t.test(`more ${what} per minute than the limit get 429 with Retry-After, also failing ones`, async (t) => {
    for (let n = 0; n < 3; n++) t.equal((await from('198.51.100.1')).status, before)
    for (let n = 0; n < 3; n++) {
      const refused = await from('198.51.100.1')
      t.match(await refused.json(), { code: 'rate-limited', status: 429 })
      t.match(refused.headers.get('content-type'), /^application\/problem\+json/)
      const seconds = Number(refused.headers.get('retry-after'))
      t.ok(seconds >= 1 && seconds <= 60, `${seconds} s`)
    }
    t.equal((await from('198.51.100.2')).status, before, 'another address has a limit of its own')
    t.equal((await from('198.51.100.1', replica.url)).status, 429, 'replicas count together')
  })

  t.test(`${what} from one network of IPv6 count together`, async (t) => {
    for (let n = 1; n <= 3; n++) t.equal((await from(`2001:db8:1:2::${n}`)).status, before)
    t.equal((await from('2001:db8:1:2:ffff::')).status, 429)
    t.equal((await from('2001:db8:1:3::1')).status, before)
  })
}

t.test('more changes per minute of one caller than the limit get 429, whatever its address', async (t) => {
  const [{ user, token }, other] = [await api.newUser(), await api.newUser()]
  const change = (account: { user: { id: string }; token: string }, from: string) => {
    const body = { name: 'Jo Doe', roles: ['buyer'] }
    return api.send('PUT', `/api/v1/users/${account.user.id}`, body, account.token, { 'x-forwarded-for': from })
  }
  for (let n = 0; n < 3; n++) t.equal((await change({ user, token }, `198.51.100.${n}`)).status, 200)
  const refused = await change({ user, token }, '198.51.100.9')
  t.match(refused, { status: 429, body: { code: 'rate-limited' } })
  t.match(refused.headers.get('retry-after'), /^[1-6]?\d$/)
  const deletion = await api.send('DELETE', `/api/v1/users/${user.id}`, undefined, token)
  t.equal(deletion.status, 429, 'all commands count together')
  t.equal((await change(other, '198.51.100.9')).status, 200, 'another caller has a limit of its own')
})

t.test('a revoked token does not use up the limit of its user', async (t) => {
  const { send, newUser } = await startCommandApi(t, { RATE_LIMIT_CHANGE: '3' })
  const { user, email, password, token } = await newUser()
  const change = (as: string, name = 'Jo Doe') =>
    send('PUT', `/api/v1/users/${user.id}`, { name, roles: ['buyer'] }, as)
  const newToken = async () => (await send('POST', '/api/v1/auth/login', { email, password })).body.accessToken
  t.equal((await send('POST', '/api/v1/auth/logout-all', undefined, token)).status, 204)
  const statuses = []
  for (let n = 0; n < 4; n++) statuses.push((await change(token)).status)
  t.strictSame(statuses, [401, 401, 429, 429])
  t.equal((await change(await newToken(), 'A')).status, 200)
  t.equal((await change(await newToken(), 'B')).status, 200)
  t.equal((await change(await newToken(), 'C')).status, 429, 'tokens of several versions count together')
})

t.test('while the database is unavailable a limited route answers storage-unavailable', async (t) => {
  const { send, token } = await startCommandApi(t, { ...limits, MONGODB_URI: 'mongodb://127.0.0.1:1/nothing' })
  const answer = await send('POST', '/api/v1/auth/login', { email: 'a@example.com', password: 'password123' })
  t.match(answer, { status: 503, body: { code: 'storage-unavailable' } })
  const id = '019a6f0c-0000-7000-8000-000000000000'
  const deletions = Array.from({ length: 4 }, () =>
    send('DELETE', `/api/v1/users/${id}`, undefined, token({ sub: id })),
  )
  const statuses = (await Promise.all(deletions)).map(({ status }) => status).sort()
  t.strictSame(statuses, [429, 503, 503, 503], 'changes over the limit are refused without the database')
})
