import { type AppliedNotice, appliedSubject } from '@cqrs/contracts'
import { eventually, freePort, freshNats } from '@cqrs/local-stack/testing'
import { createLogger } from '@cqrs/service-kit'
import { connect } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { RevocationList } from '../src/revocation-list.ts'
import { freshReadStore, queryApiOn, startQueryApi } from './fixtures/query-api.ts'
import { idOf, tombstone, user } from './fixtures/users.ts'

type Api = Awaited<ReturnType<typeof queryApiOn>>

/** A user whose tokens below version 3 are revoked. */
const revoked = (number: number, times: object = { revokedAt: new Date() }) => ({
  ...user(number),
  version: 5,
  tokensFromVersion: 3,
  tokensRevokedAt: new Date(0),
  ...times,
})

const statusFor = async ({ app, mint }: Api, number: number, ver: number) => {
  const authorization = `Bearer ${mint({ sub: idOf(number), ver })}`
  return (await app.inject({ url: '/api/v1/users', headers: { authorization } })).statusCode
}

t.test('tokens from before the revocation are refused, later ones accepted', async (t) => {
  const { stored, uri } = await freshReadStore(t)
  await stored.insertMany([user(1), revoked(2), tombstone(3, 4)])
  // Loads earlier revocations from the database, as after a restart.
  const api = await queryApiOn(t, uri)
  t.equal(await statusFor(api, 1, 1), 200, 'nothing was revoked')
  t.equal(await statusFor(api, 2, 2), 401)
  t.equal(await statusFor(api, 2, 3), 200)
  for (const version of [1, 2, 3])
    t.equal(await statusFor(api, 3, version), 401, 'every token of a deleted user is refused')

  const authorization = `Bearer ${api.mint({ sub: idOf(2), ver: 1 })}`
  const answer = await api.app.inject({ url: '/api/v1/users', headers: { authorization } })
  t.match(answer.json(), { status: 401, code: 'token-revoked' })
  t.equal(answer.headers['www-authenticate'], 'Bearer error="invalid_token"')
})

t.test('the database’s clock decides which revocations are recent, not that of the write side', async (t) => {
  const { stored, uri } = await freshReadStore(t)
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000)
  await stored.insertMany([
    revoked(1, { tokensRevokedAt: hoursAgo(2), revokedAt: new Date() }),
    revoked(2, { tokensRevokedAt: hoursAgo(-2), revokedAt: hoursAgo(2) }),
    { ...tombstone(3, 4), deletedAt: hoursAgo(2), revokedAt: new Date() },
    // From a projector that stored no time of its own.
    revoked(4, { tokensRevokedAt: new Date() }),
  ])
  const api = await queryApiOn(t, uri)
  for (const number of [1, 3, 4]) t.equal(await statusFor(api, number, 2), 401, `user ${number}`)
  t.equal(await statusFor(api, 2, 2), 200, 'long enough ago: every such token has expired')
})

t.test('a notice revokes by itself, in any order', async (t) => {
  const { url } = await freshNats(t)
  const api = await startQueryApi(t, { natsUrl: url })
  const projector = await connect({ servers: url })
  t.teardown(() => projector.close())
  const say = (...applied: AppliedNotice['applied']) =>
    projector.publish(appliedSubject('users_read_v1'), JSON.stringify({ applied }))
  await eventually(async () => api.nats.connection() !== undefined)
  await api.nats.connection()?.flush()
  t.equal(await statusFor(api, 1, 4), 200)
  say([idOf(1), 5, 5], [idOf(2), 2])
  say([idOf(1), 4, 2])
  await eventually(async () => (await statusFor(api, 1, 4)) === 401)
  t.equal(await statusFor(api, 1, 5), 200)
  t.equal(await statusFor(api, 2, 1), 200, 'a change that revokes nothing')
})

t.test('without NATS the list is reloaded every second', async (t) => {
  const api = await startQueryApi(t)
  t.equal(await statusFor(api, 1, 2), 200)
  await api.stored.insertOne(revoked(1))
  await eventually(async () => (await statusFor(api, 1, 2)) === 401)
  t.equal(await statusFor(api, 1, 3), 200)
})

t.test('the list is reloaded when NATS reconnects', async (t) => {
  const { server, url } = await freshNats(t)
  const api = await startQueryApi(t, { natsUrl: url })
  await eventually(async () => api.nats.connection() !== undefined)
  await server.kill()
  await eventually(async () => api.nats.connection() === undefined)
  await api.stored.insertOne(revoked(1))
  const { revokedWithin } = api.users
  let isReloaded = false
  api.users.revokedWithin = (ms) => {
    isReloaded ||= api.nats.connection() !== undefined
    return revokedWithin.call(api.users, ms)
  }
  await server.start()
  await eventually(() => api.nats.connection() !== undefined)
  // With NATS connected, the list would be reloaded by itself ten seconds later.
  await eventually(() => isReloaded)
  await eventually(async () => (await statusFor(api, 1, 2)) === 401)
})

t.test('before the first load no token is accepted and the service is not ready', async (t) => {
  const api = await queryApiOn(t, `mongodb://127.0.0.1:${await freePort()}/read`)
  t.match(await api.get('/api/v1/users'), { status: 503, body: { code: 'storage-unavailable' } })
  t.match(await api.get('/readyz'), { status: 503, body: { checks: { 'revoked tokens': 'down' } } })
  const { statusCode } = await api.app.inject({ url: '/api/v1/users', headers: { authorization: 'Bearer x' } })
  t.equal(statusCode, 401, 'an invalid token is still answered 401')
})

t.test('a loaded list stays in use while the database is unavailable', async (t) => {
  const list = listOf(t, async (attempt) => {
    if (attempt > 1) throw new Error('unavailable')
    return [{ id: 'jane', tokensFromVersion: 3, ageMs: 0 }]
  })
  await list.admit(caller('joe', 1))
  await t.rejects(list.admit(caller('jane', 2)), { code: 'token-revoked' })
  list.reload()
  await eventually(() => list.loads() > 1)
  await t.rejects(list.admit(caller('jane', 2)), { code: 'token-revoked' })
  t.strictSame(await list.admit(caller('jane', 3)), caller('jane', 3))
})

t.test('what is loaded replaces what was known, as after a restore', async (t) => {
  const list = listOf(t, async (attempt) =>
    attempt > 1 ? [{ id: 'joe', tokensFromVersion: 2, ageMs: 0 }] : ['jane', 'joe'].map(revokedAt9),
  )
  await t.rejects(list.admit(caller('jane', 8)), { code: 'token-revoked' })
  list.hear('jim', 9)
  list.reload()
  await eventually(() => list.loads() > 1)
  await eventually(() => list.admit(caller('jane', 1)).then(Boolean, () => false))
  t.strictSame(await list.admit(caller('joe', 2)), caller('joe', 2))
  await t.rejects(list.admit(caller('joe', 1)), { code: 'token-revoked' })
  await t.rejects(list.admit(caller('jim', 8)), { code: 'token-revoked' }, 'a notice can be newer than what is loaded')
})

const revokedAt9 = (id: string) => ({ id, tokensFromVersion: 9, ageMs: 0 })

t.test('a reload does not settle for a load that began before it', async (t) => {
  const slow = Promise.withResolvers<[]>()
  const list = listOf(t, async (attempt) => {
    if (attempt === 1) throw new Error('unavailable')
    return attempt === 2 ? slow.promise : []
  })
  await eventually(() => list.loads() === 1)
  const admitted = list.admit(caller('jane', 1))
  t.equal(list.loads(), 2)
  list.reload()
  slow.resolve([])
  await admitted
  // Before the list looks again by itself, a second later.
  await eventually(() => list.loads() === 3, { timeoutMs: 500, intervalMs: 1 })
})

t.test('a revocation is dropped when every earlier token has expired', async (t) => {
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
  await t.rejects(list.admit(caller(idOf(0), 2)), { code: 'token-revoked' }, 'the later one is kept')
})

const caller = (id: string, version: number) => ({ id, roles: [], version })

/** A list on a read model that returns the result of `read` for each attempt. */
function listOf(t: Test, read: (attempt: number) => ReturnType<Options['users']['revokedWithin']>) {
  let attempts = 0
  const list = new RevocationList({
    users: { revokedWithin: () => read(++attempts) },
    isNatsUp: () => true,
    logger: createLogger('query-api', 'silent'),
  })
  list.start()
  t.teardown(() => list.close())
  return Object.assign(list, { loads: () => attempts })
}

type Options = ConstructorParameters<typeof RevocationList>[0]
