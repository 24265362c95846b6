import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startCommandApi, surroundings } from './fixture.ts'

// They mostly wait, for the next look at the servers.
t.jobs = 2

t.test('without its rights at MongoDB the process is not ready, until it has them again', async (t) => {
  const { database, env } = await surroundings(t)
  const { db, name } = database
  const role = { role: 'readWrite', db: name }
  await db.command({ createUser: 'writer', pwd: 'writer', roles: [role] })
  t.teardown(() => db.command({ dropUser: 'writer' }))
  const uri = new URL(database.uri)
  uri.username = uri.password = 'writer'
  uri.searchParams.set('authSource', name)
  const { get, newUser } = await startCommandApi(t, { ...env, MONGODB_URI: uri.href })
  const status = async () => (await get('/readyz')).body.status
  await eventually(async () => (await status()) === 'ready')
  await newUser()

  for (const left of [[], [{ role: 'read', db: name }]]) {
    await db.command({ updateUser: 'writer', roles: left })
    await eventually(async () => (await status()) === 'unready')
    const reasons = ['MongoDB does not accept writes: Unauthorized']
    t.match(await get('/readyz'), { status: 503, body: { checks: { mongodb: 'down', nats: 'up' }, reasons } })
    t.match(await get('/healthz'), { status: 200 })
    await db.command({ updateUser: 'writer', roles: [role] })
    await eventually(async () => (await status()) === 'ready')
  }
  await newUser()
})

t.test('a broker that takes no events makes the process degraded, until it takes them', async (t) => {
  const api = await startCommandApi(t)
  const { get, nats, newUser, published } = api
  const users = (denied: string) =>
    `authorization { users: [{ user: "any", password: "any", permissions: { publish: { deny: "${denied}" } } }] }
no_auth_user: "any"
`
  // A server does not accept a new `no_auth_user` while it runs.
  await nats.reconfigure(users('nothing'))
  await nats.server.restart()
  await eventually(async () => (await get('/readyz')).body.status === 'ready')
  await nats.reconfigure(users('users.>'))
  await eventually(async () => (await nats.log()).includes('Reloaded server configuration'))

  const { user } = await newUser()
  await eventually(async () => (await get('/readyz')).body.checks.outbox === 'down')
  t.match(await get('/readyz'), { status: 200, body: { status: 'degraded', checks: { nats: 'up', mongodb: 'up' } } })
  t.match(await api.metrics(), /^outbox_pending_users 1$/m)

  await nats.reconfigure(users('nothing'))
  t.match(await published(user.id, 'created'), { subject: user.id })
  await eventually(async () => (await get('/readyz')).body.status === 'ready')
})
