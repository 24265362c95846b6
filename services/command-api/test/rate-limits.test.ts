import t from 'tap'
import { startCommandApi } from './fixture.ts'

const limits = {
  TRUSTED_PROXIES: '127.0.0.1',
  RATE_LIMIT_REGISTER: '3',
  RATE_LIMIT_LOGIN: '3',
  RATE_LIMIT_REFRESH: '3',
}
const api = await startCommandApi(t, limits)

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
    const replica = await api.replica()
    t.equal((await from('198.51.100.1', replica.url)).status, 429, 'replicas count together')
  })

  t.test(`${what} from one network of IPv6 count together`, async (t) => {
    for (let n = 1; n <= 3; n++) t.equal((await from(`2001:db8:1:2::${n}`)).status, before)
    t.equal((await from('2001:db8:1:2:ffff::')).status, 429)
    t.equal((await from('2001:db8:1:3::1')).status, before)
  })
}

t.test('while the database is unavailable a limited route answers storage-unavailable', async (t) => {
  const { send } = await startCommandApi(t, { ...limits, MONGODB_URI: 'mongodb://127.0.0.1:1/nothing' })
  const answer = await send('POST', '/api/v1/auth/login', { email: 'a@example.com', password: 'password123' })
  t.match(answer, { status: 503, body: { code: 'storage-unavailable' } })
})
