import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startSystem } from './system.ts'

const admin = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'correct horse' }
const { send, newUser, servers } = await startSystem(t, { 'command-api': admin }, { ownServers: true })
const logIn = async (email: string, password: string) =>
  (await send('POST', '/api/v1/auth/login', { email, password })).body.accessToken as string
const adminToken = await eventually(async () => (await logIn(admin.ADMIN_EMAIL, admin.ADMIN_PASSWORD)) ?? false)

/** The ways to end all sessions of a user. */
const revocations = {
  'a deletion': (id: string, token: string) => send('DELETE', `/api/v1/users/${id}`, undefined, token),
  'a deactivation': (id: string) => send('POST', `/api/v1/users/${id}/deactivate`, undefined, adminToken),
  'a change of the password': (id: string, token: string) =>
    send('POST', `/api/v1/users/${id}/password`, { currentPassword: 'password123', newPassword: 'another one' }, token),
}
const query = async (id: string, token: string) => send('GET', `/api/v1/users/${id}`, undefined, token)

for (const [what, revoke] of Object.entries(revocations)) {
  t.test(`how long query-api accepts the token after ${what}`, async (t) => {
    const lags: number[] = []
    for (let i = 0; i < 15; i++) {
      const { id, token } = await newUser()
      await eventually(async () => (await query(id, token)).status === 200)
      const { status } = await revoke(id, token)
      const revokedAt = performance.now()
      t.ok(status === 200 || status === 204)
      await eventually(async () => (await query(id, token)).body.code === 'token-revoked', { intervalMs: 0 })
      if (i >= 5) lags.push(performance.now() - revokedAt) // the first ones warm up
    }
    lags.sort((a, b) => a - b)
    const [p50, max] = [lags[Math.ceil(lags.length / 2) - 1], lags.at(-1)].map((lag) => lag?.toFixed(1))
    t.comment(
      `from the response to ${what} to the first refusal: p50 ${p50} ms, max ${max} ms in ${lags.length} attempts`,
    )
  })
}

t.test('after a kill, query-api refuses revoked tokens from its first response', async (t) => {
  const [before, meanwhile, untouched] = [await newUser(), await newUser(), await newUser()]
  await revocations['a deactivation'](before.id)
  await eventually(async () => (await query(before.id, before.token)).status === 401)
  await servers['query-api'].kill()
  await revocations['a deletion'](meanwhile.id, meanwhile.token)
  await servers['query-api'].start()
  const startedAt = performance.now()
  t.equal((await query(before.id, before.token)).status, 401)
  // The projector may still be applying the last one.
  await eventually(async () => (await query(meanwhile.id, meanwhile.token)).status === 401)
  t.comment(`after a restart with kill -9: ${(performance.now() - startedAt).toFixed(1)} ms to the first refusal`)
  t.equal((await query(untouched.id, untouched.token)).status, 200)
})

t.test('query-api starts and refuses revoked tokens while the write side is unavailable', async (t) => {
  const [gone, stays] = [await newUser(), await newUser()]
  await revocations['a deletion'](gone.id, gone.token)
  await eventually(async () => (await query(gone.id, gone.token)).status === 401)
  const away = ['command-api', 'nats', 'mongodb', 'query-api'] as const
  for (const name of away) await servers[name]?.kill()
  await servers['query-api'].start()
  t.match(await query(gone.id, gone.token), { status: 401, body: { code: 'token-revoked' } })
  t.match(await query(stays.id, stays.token), { status: 200 })
  for (const name of ['mongodb', 'nats', 'command-api'] as const) await servers[name]?.start()
})
