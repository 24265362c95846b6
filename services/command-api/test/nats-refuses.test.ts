import { syncSubjects } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

// They mostly wait, for the next attempt of a client.
t.jobs = 3

const users = (permissions = '') =>
  `authorization { users: [{ user: "any", password: "any", permissions: { ${permissions} } }] }\nno_auth_user: "any"\n`

t.test('NATS refuses the credentials for a while: the process connects again by itself', async (t) => {
  const { get, nats, logs, newUser, published } = await startCommandApi(t)
  await eventually(async () => (await get('/readyz')).body.checks.nats === 'up')

  await nats.reconfigure('authorization { user: "other", password: "wrong" }\n')
  // By default the client gives up after the second time.
  await eventually(async () => ((await nats.log()).match(/authentication error/g) ?? []).length >= 4)
  t.match(await get('/readyz'), {
    status: 200,
    body: {
      status: 'degraded',
      checks: { nats: 'down' },
      reasons: ['NATS refuses this client: Authorization Violation'],
    },
  })
  const { user } = await newUser()

  await nats.reconfigure('')
  t.match(await published(user.id, 'created'), { subject: user.id })
  await eventually(async () => (await get('/readyz')).body.checks.nats === 'up')
  t.equal(logs.filter(({ msg }) => msg.startsWith('NATS refuses this client')).length, 1)
})

t.test('NATS denies a subscription: the process lives, says so, and subscribes when it may', async (t) => {
  const { get, nats, ask, newUser, published, logs } = await startCommandApi(t)
  // A server does not take a new `no_auth_user` while it runs.
  await nats.reconfigure(users())
  await nats.server.restart()
  // A client that connects during a reload can keep the rights from before.
  await eventually(async () => (await get('/readyz')).body.checks.nats === 'up')
  await nats.reconfigure(users('subscribe: { deny: "users_sync.>" }'))
  const { body } = await eventually(async () => {
    const ready = await get('/readyz')
    const denied = ready.body.reasons?.filter((reason) => reason.startsWith('NATS denies subscribing to'))
    return denied?.length === Object.keys(syncSubjects).length && ready
  })
  t.match(body, { status: 'degraded', checks: { nats: 'down' } })
  t.ok(body.reasons?.includes(`NATS denies subscribing to ${syncSubjects.digest}`))
  t.equal(logs.filter(({ msg }) => msg === 'NATS denies a permission').length, 1)
  const { user } = await newUser()
  t.match(await published(user.id, 'created'), { subject: user.id })

  await nats.reconfigure(users())
  await eventually(async () => (await get('/readyz')).body.checks.nats === 'up')
  t.match(await eventually(() => ask(syncSubjects.digest, { after: '', limit: 10, fields: ['name'] })), { count: 1 })
})

t.test('NATS hangs: the process notices, and publishes when it responds again', async (t) => {
  const { get, nats, newUser, published } = await startCommandApi(t)
  await eventually(async () => (await get('/readyz')).body.checks.nats === 'up')
  process.kill(nats.server.pid as number, 'SIGSTOP')
  t.teardown(() => nats.server.pid && process.kill(nats.server.pid, 'SIGCONT'))
  const { user } = await newUser()
  await eventually(async () => (await get('/readyz')).body.checks.nats === 'down')
  process.kill(nats.server.pid as number, 'SIGCONT')
  t.match(await published(user.id, 'created'), { subject: user.id })
  await eventually(async () => (await get('/readyz')).body.checks.nats === 'up')
})
