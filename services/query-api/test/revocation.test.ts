import { type AppliedNotice, appliedSubject, usersReadCollection } from '@cqrs/contracts'
import { eventually, freePort, freshNats } from '@cqrs/local-stack/testing'
import { createLogger } from '@cqrs/service-kit'
import { connect } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { RevocationList } from '../src/revocation-list.ts'
import { freshReadStore, queryApiOn, startQueryApi } from './fixtures/query-api.ts'
import { idOf, tombstone, user } from './fixtures/users.ts'

type Api = Awaited<ReturnType<typeof queryApiOn>>

/** A user whose tokens from before version 3 were revoked. */
const revoked = (number: number, tokensRevokedAt = new Date()) => ({
  ...user(number),
  version: 5,
  tokensFromVersion: 3,
  tokensRevokedAt,
})

const statusFor = async ({ app, mint }: Api, number: number, ver: number) => {
  const authorization = `Bearer ${mint({ sub: idOf(number), ver })}`
  return (await app.inject({ url: '/api/v1/users', headers: { authorization } })).statusCode
}

t.test('a token from before the revocation is refused, a later one is good', async (t) => {
  const { stored, uri } = await freshReadStore(t)
  await stored.insertMany([user(1), revoked(2), tombstone(3, 4)])
  // As after a restart: it learns from the database what was revoked before.
  const api = await queryApiOn(t, uri)
  t.equal(await statusFor(api, 1, 1), 200, 'nothing was revoked')
  t.equal(await statusFor(api, 2, 2), 401)
  t.equal(await statusFor(api, 2, 3), 200)
  for (const version of [1, 2, 3]) t.equal(await statusFor(api, 3, version), 401, 'a deleted user has no good token')

  const authorization = `Bearer ${api.mint({ sub: idOf(2), ver: 1 })}`
  const answer = await api.app.inject({ url: '/api/v1/users', headers: { authorization } })
  t.match(answer.json(), { status: 401, code: 'token-revoked' })
  t.equal(answer.headers['www-authenticate'], 'Bearer error="invalid_token"')
})

t.test('a notice is enough, whatever its order', async (t) => {
  const { url } = await freshNats(t)
  const api = await startQueryApi(t, { natsUrl: url })
  const projector = await connect({ servers: url })
  t.teardown(() => projector.close())
  const say = (...applied: AppliedNotice['applied']) =>
    projector.publish(appliedSubject(usersReadCollection), JSON.stringify({ applied }))
  await eventually(async () => api.nats.connection() !== undefined)
  await api.nats.connection()?.flush()
  t.equal(await statusFor(api, 1, 4), 200)
  say([idOf(1), 5, 5], [idOf(2), 2])
  say([idOf(1), 4, 2])
  await eventually(async () => (await statusFor(api, 1, 4)) === 401)
  t.equal(await statusFor(api, 1, 5), 200)
  t.equal(await statusFor(api, 2, 1), 200, 'a change that revokes nothing')
})

t.test('while NATS is away it is looked up about once a second', async (t) => {
  const api = await startQueryApi(t)
  t.equal(await statusFor(api, 1, 2), 200)
  await api.stored.insertOne(revoked(1))
  await eventually(async () => (await statusFor(api, 1, 2)) === 401)
  t.equal(await statusFor(api, 1, 3), 200)
})

t.test('what was missed is looked up when NATS comes back', async (t) => {
  const { server, url } = await freshNats(t)
  const api = await startQueryApi(t, { natsUrl: url })
  await eventually(async () => api.nats.connection() !== undefined)
  await server.kill()
  await eventually(async () => api.nats.connection() === undefined)
  await api.stored.insertOne(revoked(1))
  await server.start()
  await eventually(async () => (await statusFor(api, 1, 2)) === 401)
})

t.test('until the list was loaded for the first time nobody is let in, and the service is not ready', async (t) => {
  const api = await queryApiOn(t, `mongodb://127.0.0.1:${await freePort()}/read`)
  t.match(await api.get('/api/v1/users'), { status: 503, body: { code: 'storage-unavailable' } })
  t.match(await api.get('/readyz'), { status: 503, body: { checks: { 'revoked tokens': 'down' } } })
  const { statusCode } = await api.app.inject({ url: '/api/v1/users', headers: { authorization: 'Bearer x' } })
  t.equal(statusCode, 401, 'a token that is bad by itself is told so')
})

t.test('once loaded it goes on while the database is away', async (t) => {
  const list = listOf(t, async (attempt) => {
    if (attempt > 1) throw new Error('away')
    return [{ id: 'jane', tokensFromVersion: 3, at: new Date() }]
  })
  await list.admit(caller('joe', 1))
  await t.rejects(list.admit(caller('jane', 2)), { code: 'token-revoked' })
  list.reload()
  await eventually(() => list.loads() > 1)
  await t.rejects(list.admit(caller('jane', 2)), { code: 'token-revoked' })
  t.strictSame(await list.admit(caller('jane', 3)), caller('jane', 3))
})

t.test('a revocation is forgotten when no token from before it can be alive', async (t) => {
  const now = Date.now
  let aheadMs = 0
  Date.now = () => now() + aheadMs
  t.teardown(() => {
    Date.now = now
  })
  const list = listOf(t, async () => [])
  await list.admit(caller('joe', 1))
  for (let number = 0; number < 1_000; number++) list.hear(idOf(number), 2)
  t.equal(list.size, 1_000)
  aheadMs = 3_600_000
  list.hear(idOf(0), 3)
  aheadMs += 301_000
  list.reload()
  await eventually(() => list.size === 1)
  await t.rejects(list.admit(caller(idOf(0), 2)), { code: 'token-revoked' }, 'the younger one is still known')
})

const caller = (id: string, version: number) => ({ id, roles: [], version })

/** A list on a read model that answers what `read` says at each attempt. */
function listOf(t: Test, read: (attempt: number) => ReturnType<Parts['users']['revokedSince']>) {
  let attempts = 0
  const list = new RevocationList({
    users: { revokedSince: () => read(++attempts) },
    isNatsUp: () => true,
    logger: createLogger('query-api', 'silent'),
  })
  list.start()
  t.teardown(() => list.close())
  return Object.assign(list, { loads: () => attempts })
}

type Parts = ConstructorParameters<typeof RevocationList>[0]
