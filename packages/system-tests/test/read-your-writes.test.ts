import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startSystem } from './system.ts'

const { send, newUser, servers } = await startSystem(t)
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
