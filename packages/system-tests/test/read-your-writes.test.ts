import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startSystem } from './system.ts'

const { send, newUser, servers, write } = await startSystem(t)
const { id, token } = await newUser()
const rename = (name: string) => send('PUT', `/api/v1/users/${id}`, { name, roles: ['buyer'] }, token)
const getFrom = (version: number) =>
  send('GET', `/api/v1/users/${id}`, undefined, token, { 'x-min-version': String(version) })

t.test('a client that asks for the version of a change always sees it', async (t) => {
  const seen: unknown[] = []
  const expected: unknown[] = []
  for (let n = 1; n <= 50; n++) {
    const { body } = await rename(`Change ${n}`)
    const answer = await getFrom(body.version)
    seen.push([answer.status, answer.body.name, answer.body.version])
    expected.push([200, `Change ${n}`, body.version])
  }
  t.strictSame(seen, expected)
})

t.test('so is a registration', async (t) => {
  for (let n = 0; n < 10; n++) {
    const other = await newUser()
    const answer = await send('GET', `/api/v1/users/${other.id}`, undefined, token, { 'x-min-version': '1' })
    t.match(answer, { status: 200, body: { id: other.id, version: 1 } })
  }
})

t.test('without a projector, the response says that the read model is behind; later it is up to date', async (t) => {
  await servers.projector.kill()
  const { body } = await rename('Not yet seen')
  const answer = await getFrom(body.version)
  t.match(answer, { status: 503, body: { code: 'read-model-behind' } })
  t.match(answer.headers.get('retry-after'), /^\d+$/)
  t.equal(
    (await send('GET', `/api/v1/users/${id}`, undefined, token)).status,
    200,
    'without a version the query is answered',
  )
  await servers.projector.start()
  await eventually(async () => (await getFrom(body.version)).status === 200)
  t.match(await getFrom(body.version), { status: 200, body: { name: 'Not yet seen' } })
})

t.test('statistics equal the counts of the list', async (t) => {
  await newUser({ roles: ['seller'] })
  await newUser({ roles: ['buyer', 'seller'] })
  const gone = await newUser({ roles: ['seller'] })
  await send('DELETE', `/api/v1/users/${gone.id}`, undefined, gone.token)
  const users = 1 + 10 + 2
  const list = async () => (await send('GET', '/api/v1/users?limit=100', undefined, token)).body
  await eventually(async () => (await list()).data.length === users && (await list()).pagination.total === users)

  const { data } = await list()
  const withRole = (role: string) => data.filter(({ roles }: { roles: string[] }) => roles.includes(role)).length
  const stats = await send('GET', '/api/v1/stats/users', undefined, token)
  t.match(stats, {
    status: 200,
    body: { users, active: users, byRole: { buyer: withRole('buyer'), seller: withRole('seller'), admin: 0 } },
  })
  const registrations = stats.body.registrationsByDay.map((day: { registrations: number }) => day.registrations)
  t.equal(
    registrations.reduce((sum: number, one: number) => sum + one, 0),
    users,
  )
})

t.test('how long it takes from the 201 until a query returns the user', async (t) => {
  const account = { password: 'password123', name: 'Jo', roles: ['buyer'] }
  const lags: number[] = []
  for (let i = 0; i < 20; i++) {
    const email = `${crypto.randomUUID()}@example.com`
    const { body } = await send('POST', '/api/v1/auth/register', { ...account, email })
    const acknowledgedAt = performance.now()
    while ((await send('GET', `/api/v1/users/${body.id}`, undefined, token)).status !== 200) {
      if (performance.now() - acknowledgedAt > 5_000) throw new Error('not visible after 5 s')
    }
    lags.push(performance.now() - acknowledgedAt)
  }
  lags.sort((a, b) => a - b)
  const quantile = (q: number) => lags[Math.ceil(q * lags.length) - 1]?.toFixed(1)
  t.equal(lags.length, 20)
  t.comment(`from 201 to visible: p50 ${quantile(0.5)} ms, max ${quantile(1)} ms over ${lags.length} registrations`)
})

t.test('how long query-api accepts a token after a revocation', async (t) => {
  const admin = { email: 'admin@example.com', password: 'password123' }
  const { id: adminId } = await newUser(admin)
  await write.collection<{ _id: string }>('users').updateOne({ _id: adminId }, { $set: { roles: ['admin'] } })
  const { accessToken: adminToken } = (await send('POST', '/api/v1/auth/login', admin)).body
  const change = { currentPassword: 'password123', newPassword: 'another one' }
  /** The ways to end all sessions of a user. */
  const revocations = {
    'a deletion': (id: string, token: string) => send('DELETE', `/api/v1/users/${id}`, undefined, token),
    'a deactivation': (id: string) => send('POST', `/api/v1/users/${id}/deactivate`, undefined, adminToken),
    'a change of the password': (id: string, token: string) =>
      send('POST', `/api/v1/users/${id}/password`, change, token),
  }
  const query = (id: string, token: string) => send('GET', `/api/v1/users/${id}`, undefined, token)

  for (const [what, revoke] of Object.entries(revocations)) {
    const lags: number[] = []
    for (let i = 0; i < 6; i++) {
      const { id, token } = await newUser()
      await eventually(async () => (await query(id, token)).status === 200)
      const { status } = await revoke(id, token)
      const revokedAt = performance.now()
      t.ok(status === 200 || status === 204, what)
      await eventually(async () => (await query(id, token)).body.code === 'token-revoked', { intervalMs: 0 })
      if (i > 0) lags.push(performance.now() - revokedAt) // the first one warms up
    }
    lags.sort((a, b) => a - b)
    const [p50, max] = [lags[Math.ceil(lags.length / 2) - 1], lags.at(-1)].map((lag) => lag?.toFixed(1))
    t.comment(
      `from the response to ${what} to the first refusal: p50 ${p50} ms, max ${max} ms in ${lags.length} attempts`,
    )
  }
})
