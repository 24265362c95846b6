import { eventually, wrongClock } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t)
const { send, newUser, newAdmin, lines, logs } = api
const sessions = api.database.db.collection<any>('sessions')
const users = api.database.db.collection<any>('users')
const admin = await newAdmin()

const logIn = (email: string, password = 'password123') => send('POST', '/api/v1/auth/login', { email, password })
const refresh = (refreshToken: unknown) => send('POST', '/api/v1/auth/refresh', { refreshToken })
const rename = (id: string, as: string) => send('PUT', `/api/v1/users/${id}`, { name: 'Renamed', roles: ['buyer'] }, as)
const refused = { status: 401, body: { code: 'refresh-token-invalid' } }
const ofUser = (userId: string) => sessions.find({ userId }).toArray()
/** Backdates the last refresh of a user's sessions. */
const age = (userId: string, ms: number) =>
  sessions.updateMany({ userId }, { $set: { rotatedAt: new Date(Date.now() - ms) } })

/** A user with a session of its own. */
async function newSession() {
  const account = await newUser()
  await sessions.deleteMany({ userId: account.user.id })
  const { body } = await logIn(account.email)
  return { ...account, id: account.user.id, first: body.refreshToken as string }
}

t.test('a login answers a refresh token, and only its hash is stored', async (t) => {
  const { user, email } = await newUser()
  const { body } = await logIn(email)
  t.match(body, { accessToken: String, tokenType: 'Bearer', expiresIn: 900, refreshExpiresIn: 604_800 })
  t.match(body.refreshToken, /^[\w-]{86}$/, 'twice 256 bits')
  const stored = JSON.stringify(await ofUser(user.id))
  for (const half of [body.refreshToken.slice(0, 43), body.refreshToken.slice(43)]) t.notMatch(stored, half)
  t.notMatch(lines.join('\n'), body.refreshToken.slice(0, 43))
})

t.test('a refresh answers like a login with the current user, and each token works once', async (t) => {
  const { id, first, token } = await newSession()
  await rename(id, token)
  const { status, headers, body } = await refresh(first)
  t.match({ status, body }, { status: 200, body: { tokenType: 'Bearer', expiresIn: 900, refreshExpiresIn: 604_800 } })
  t.equal(headers.get('cache-control'), 'no-store')
  t.match(claimsOf(body.accessToken), { sub: id, ver: 2, roles: ['buyer'] })
  t.match(await rename(id, body.accessToken), { status: 200 })
  t.not(body.refreshToken, first)
  const next = await refresh(body.refreshToken)
  t.equal(next.status, 200)
  t.match(await refresh(first), refused)
})

t.test('concurrent refreshes with one token get the same successor, as does one whose answer was lost', async (t) => {
  const { id, first } = await newSession()
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(first)))
  const successors = new Set(answers.map(({ status, body }) => status === 200 && body.refreshToken))
  t.equal(successors.size, 1)
  const [successor] = successors
  const [{ sealed }] = await ofUser(id)
  t.notMatch(successor, sealed, 'who reads the database cannot use it')
  await age(id, 25_000)
  t.equal((await refresh(first)).body.refreshToken, successor)
  t.match(await refresh(successor), { status: 200 })
})

t.test('a successor is not answered again after its session has expired', async (t) => {
  const { id, first } = await newSession()
  await refresh(first)
  await sessions.updateOne({ userId: id }, { $set: { expiresAt: new Date(Date.now() - 1_000) } })
  t.match(await refresh(first), refused)
})

for (const [what, isThiefFirst] of [
  ['the thief refreshes first, then the owner', true],
  ['the owner refreshes first, then the thief', false],
] as const) {
  t.test(`a stolen token: ${what}; within one lifetime of an access token the session ends for both`, async (t) => {
    const { id, first } = await newSession()
    const other = await logIn((await users.findOne({ _id: id })).email)
    const { body: winner } = await refresh(first)
    await age(id, 31_000)
    t.match(await refresh(first), refused, isThiefFirst ? 'the owner logs in again' : 'the thief')
    t.match(await refresh(winner.refreshToken), refused, 'also for the newest token')
    t.match(await refresh(other.body.refreshToken), { status: 200 }, 'the user’s other session stays')
    const audited = logs.filter(({ reason, user_id }) => reason === 'refresh-token-reused' && user_id === id)
    t.match(audited, [{ msg: 'audit', action: 'refresh', outcome: 'failure', user_id: id }])
  })
}

t.test('a thief who shares the successor within the grace period is found at the next refresh', async (t) => {
  const { id, first } = await newSession()
  const [owner, thief] = [await refresh(first), await refresh(first)]
  t.equal(owner.body.refreshToken, thief.body.refreshToken)
  t.match(await refresh(owner.body.refreshToken), { status: 200 })
  t.match(await refresh(first), refused, 'the successor was used')
  t.strictSame(await ofUser(id), [])
})

t.test('a session ends after its idle timeout and after its maximum lifetime', async (t) => {
  const idle = await newSession()
  await sessions.updateOne({ userId: idle.id }, { $set: { expiresAt: new Date(Date.now() - 1_000) } })
  t.match(await refresh(idle.first), refused)

  const old = await newSession()
  await sessions.updateOne({ userId: old.id }, { $set: { endsAt: new Date(Date.now() + 100_000) } })
  const { body } = await refresh(old.first)
  t.ok(body.refreshExpiresIn <= 100, `${body.refreshExpiresIn} s are left`)
  const indexes = await sessions.indexes()
  t.match(
    indexes.find(({ key }: any) => key.expiresAt),
    { expireAfterSeconds: 0 },
    'the database deletes it',
  )
})

t.test('a process whose clock is wrong begins sessions and refreshes like any other', async (t) => {
  const { url } = await api.replica(wrongClock(-30 * 24 * 3_600_000))
  const there = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${url}/api/v1/auth/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: response.status, body: (await response.json()) as any }
  }
  const { email, id } = await newSession()
  await sessions.deleteMany({ userId: id })
  const { body: first } = await there('login', { email, password: 'password123' })
  t.equal(first.refreshExpiresIn, 604_800)
  const claims = claimsOf(first.accessToken) as any
  t.ok(claims.iat * 1_000 < Date.now() - 29 * 24 * 3_600_000, 'its clock is wrong')
  t.match(await refresh(first.refreshToken), { status: 200 })
  const { body: second } = await logIn(email)
  t.match(await there('refresh', { refreshToken: second.refreshToken }), {
    status: 200,
    body: { refreshExpiresIn: 604_800 },
  })
})

t.test('a string that never was a refresh token is refused and affects no session', async (t) => {
  const { id, first, token } = await newSession()
  const [session] = await ofUser(id)
  for (const wrong of ['', 'x', token, first.slice(0, 43), 'A'.repeat(86), session._id, session.tokenHash, `${first}=`])
    t.match(await refresh(wrong), refused)
  for (const wrong of [null, 5, [first], { $ne: '' }, 'x'.repeat(513)])
    t.match(await refresh(wrong), { status: 400, body: { code: 'validation-failed' } })
  t.match(await send('POST', '/api/v1/auth/refresh', {}), { status: 400 })
})

t.test('a logout ends only its session, and its answer does not depend on the token', async (t) => {
  const { email, first } = await newSession()
  const other = await logIn(email)
  const logOut = (refreshToken: unknown) => send('POST', '/api/v1/auth/logout', { refreshToken })
  for (const token of [first, first, 'no token']) t.match(await logOut(token), { status: 204, body: undefined })
  t.match(await refresh(first), refused)
  t.match(await refresh(other.body.refreshToken), { status: 200 })
  t.match(await logOut({ $ne: '' }), { status: 400, body: { code: 'validation-failed' } })
})

t.test('logging out everywhere ends every session and revokes every token of the user', async (t) => {
  const { id, email, first, token } = await newSession()
  const other = await logIn(email)
  const { status, headers } = await send('POST', '/api/v1/auth/logout-all', undefined, token)
  t.equal(status, 204)
  t.equal(headers.get('etag'), '"2"')
  t.match((await api.published(id, 'updated')).data, { changed: ['sessions'], tokensFromVersion: 2 })
  for (const dead of [first, other.body.refreshToken]) t.match(await refresh(dead), refused)
  for (const dead of [token, other.body.accessToken])
    t.match(await rename(id, dead), { status: 401, body: { code: 'token-revoked' } })
  t.match(await send('POST', '/api/v1/auth/logout-all'), { status: 401, body: { code: 'token-missing' } })
  const { body: fresh } = await logIn(email)
  t.match(await refresh(fresh.refreshToken), { status: 200 }, 'a new login works')
})

for (const [what, end] of Object.entries({
  'a deletion': (id: string, token: string) => send('DELETE', `/api/v1/users/${id}`, undefined, token),
  'a deactivation': (id: string) => send('POST', `/api/v1/users/${id}/deactivate`, undefined, admin.token),
  'a change of the password': (id: string, token: string) =>
    send('POST', `/api/v1/users/${id}/password`, { currentPassword: 'password123', newPassword: 'another one' }, token),
})) {
  t.test(`${what} ends every session, even if the process dies right after it`, async (t) => {
    const { id, first, token } = await newSession()
    const before = await ofUser(id)
    t.match(await end(id, token), { status: /^20[04]$/ })
    t.strictSame(await ofUser(id), [])
    await sessions.insertMany(before) // as if the process died before it deleted them
    t.match(await refresh(first), refused)
    t.strictSame(await ofUser(id), [], 'the first use deletes it')
  })
}

t.test('a session that a crash left of a deleted user is deleted when the event is published', async (t) => {
  const { id, token } = await newSession()
  const before = await ofUser(id)
  await send('DELETE', `/api/v1/users/${id}`, undefined, token)
  const deleted = await api.published(id, 'deleted')
  await eventually(async () => (await users.findOne({ _id: id })).outbox.length === 0)
  await sessions.insertMany(before)
  await users.updateOne({ _id: id }, { $set: { outbox: [deleted], pendingSince: new Date(0) } })
  await eventually(async () => (await ofUser(id)).length === 0)
  t.pass('it is gone')
})

t.test('logins during the deletion of their user leave no session', async (t) => {
  for (let round = 0; round < 5; round++) {
    const { id, email, token } = await newSession()
    await Promise.all([logIn(email), logIn(email), send('DELETE', `/api/v1/users/${id}`, undefined, token)])
    t.strictSame(await ofUser(id), [])
  }
})

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
