import { eventually, runProgram } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startCommandApi } from './fixture.ts'

const api = await startCommandApi(t, { LOG_LEVEL: 'trace' })
const { send, newUser } = api
const {
  user: { id: adminId },
  token: admin,
} = await api.newAdmin()

/** The lines that this adds to the audit log. */
async function audited(count: number, act: () => Promise<unknown>) {
  const lines = () => api.logs.filter(({ msg }) => msg === 'audit')
  const before = lines().length
  await act()
  return eventually(async () => lines().length >= before + count && lines().slice(before))
}

t.test('the audit log has each use of a password, with its user and its masked source', async (t) => {
  const { user, email, password } = await newUser()
  const token = api.token({ sub: user.id, ver: user.version })
  const change = (currentPassword: string) =>
    send('POST', `/api/v1/users/${user.id}/password`, { currentPassword, newPassword: 'a new password' }, token)
  const lines = await audited(5, async () => {
    await send(
      'POST',
      `/api/v1/users/${user.id}/password`,
      { currentPassword: password, newPassword: password },
      token,
      {
        'if-match': '"9"',
      },
    )
    await send('POST', '/api/v1/auth/login', { email, password })
    await send('POST', '/api/v1/auth/login', { email, password: 'wrong password' })
    await change('wrong password')
    await change(password)
  })
  const common = { level: 'info', action: 'log-in', user_id: user.id, source: '127.0.0.0/24' }
  t.match(lines, [
    { ...common, action: 'change-password', outcome: 'failure', reason: 'precondition-failed' },
    { ...common, outcome: 'success' },
    { ...common, outcome: 'failure', reason: 'wrong-password' },
    { ...common, action: 'change-password', outcome: 'failure', reason: 'wrong-password' },
    { ...common, action: 'change-password', outcome: 'success' },
  ])
})

t.test('the audit log has each registration, and the deletion of oneself', async (t) => {
  const body = { email: 'audited@example.com', password: 'correct horse', name: 'Audited', roles: ['buyer'] }
  let id: string | undefined
  const lines = await audited(2, async () => {
    id = (await send('POST', '/api/v1/auth/register', body)).body.id
    await send('DELETE', `/api/v1/users/${id}`, undefined, api.token({ sub: id }))
  })
  t.match(lines, [
    { action: 'register', outcome: 'success', user_id: id, roles: ['buyer'], source: '127.0.0.0/24' },
    { action: 'delete-user', outcome: 'success', user_id: id, actor_id: id },
  ])
})

t.test('the audit log has each use of a session and its end', async (t) => {
  const { user, email, password } = await newUser()
  const { body: first } = await send('POST', '/api/v1/auth/login', { email, password })
  const lines = await audited(3, async () => {
    const { body: next } = await send('POST', '/api/v1/auth/refresh', { refreshToken: first.refreshToken })
    await send('POST', '/api/v1/auth/logout', { refreshToken: next.refreshToken })
    await send('POST', '/api/v1/auth/logout', { refreshToken: next.refreshToken }) // the session has ended
    await send('POST', '/api/v1/auth/logout-all', undefined, next.accessToken)
  })
  const common = { outcome: 'success', user_id: user.id, source: '127.0.0.0/24' }
  t.match(lines, [
    { ...common, action: 'refresh' },
    { ...common, action: 'log-out' },
    { ...common, action: 'log-out-everywhere', actor_id: user.id },
  ])
  t.equal(lines.length, 3)
})

t.test('the audit log has each change of somebody else with its actor, also a refused one', async (t) => {
  const { user, token } = await newUser()
  const other = await newUser()
  const self = `/api/v1/users/${user.id}`
  const lines = await audited(7, async () => {
    await send('PUT', self, { name: 'Mine', roles: ['buyer'] }, token)
    await send('PUT', self, { name: 'Theirs', roles: ['admin'] }, admin)
    await send('PUT', self, { name: 'Theirs', roles: ['buyer'] }, other.token)
    await send('DELETE', self, undefined, other.token)
    await send('POST', `${self}/deactivate`, undefined, admin)
    await send('POST', `${self}/activate`, undefined, other.token)
    await send('DELETE', self, undefined, admin)
    await send('DELETE', self, undefined, admin)
  })
  const refused = { outcome: 'failure', reason: 'not-allowed', user_id: user.id, actor_id: other.user.id }
  t.match(lines, [
    { action: 'update-user', outcome: 'success', user_id: user.id, actor_id: adminId, roles: ['admin'] },
    { ...refused, action: 'update-user' },
    { ...refused, action: 'delete-user' },
    { action: 'deactivate-user', outcome: 'success', user_id: user.id, actor_id: adminId },
    { ...refused, action: 'activate-user' },
    { action: 'delete-user', outcome: 'success', user_id: user.id, actor_id: adminId },
    { action: 'delete-user', outcome: 'failure', reason: 'user-not-found', user_id: user.id, actor_id: adminId },
  ])
  t.equal(lines.length, 7, 'without the change that a user made to itself')
})

t.test('the operator’s command writes its audit line to standard error', async (t) => {
  const { stderr } = await runProgram('command-api', 'programs/create-admin.js', ['chief@example.com'], api.replicaEnv)
  const line = stderr.split('\n').find((line) => line.includes('"audit"')) ?? '{}'
  t.match(JSON.parse(line), { action: 'create-admin', outcome: 'success', actor: 'operator', roles: ['admin'] })
  t.notMatch(line, 'chief')
})

t.test('LOG_LEVEL does not silence the audit log', async (t) => {
  const quiet = await startCommandApi(t, { LOG_LEVEL: 'fatal' })
  await quiet.newUser()
  const lines = await eventually(async () => quiet.logs.length > 0 && quiet.logs)
  t.match(lines, [{ msg: 'audit', action: 'register', outcome: 'success' }])
})

t.test('no log line at any level has a password, token, hash, address or name', async (t) => {
  const { user, email, token } = await newUser({ name: 'Jane Unlogged' })
  const jane = { email, password: 'the secret 123', name: 'Jane Unlogged', roles: ['buyer'] }
  const self = `/api/v1/users/${user.id}`
  await send('POST', '/api/v1/auth/register', jane) // taken
  await send('POST', '/api/v1/auth/register', { ...jane, password: 'secret1' })
  await send('POST', '/api/v1/auth/login', { email, password: 'the secret 123' })
  await send('POST', `/api/v1/auth/login?email=${email}&password=secret1`, `{"email":"${email}","password":"the secret`)
  const { body: session } = await send('POST', '/api/v1/auth/login', { email, password: 'password123' })
  const { body: next } = await send('POST', '/api/v1/auth/refresh', { refreshToken: session.refreshToken })
  await send('POST', '/api/v1/auth/logout', { refreshToken: next.refreshToken })
  await send('PUT', self, { name: 'Jane Unlogged II', roles: ['buyer'], password: 'the secret 123' }, token)
  await send('PUT', self, { name: 'Jane Unlogged II', roles: ['buyer'] }, `${token}x`)
  await send('PUT', `/api/v1/users/${email}`, { name: 'Jane Unlogged II', roles: ['buyer'] }, token)
  await send('GET', `/${email}`)
  await send('DELETE', self, undefined, token)
  await eventually(() => api.logs.some(({ msg }) => msg === 'UserDeleted event published'))
  const log = api.lines.join('\n')
  for (const msg of ['request', 'audit']) t.match(log, `"msg":"${msg}"`)
  for (const secret of [
    'the secret',
    'secret1',
    'password123',
    token.split('.')[2] ?? '?',
    'argon2id',
    email,
    session.refreshToken,
    next.refreshToken,
    'Unlogged',
  ])
    t.notMatch(log, secret)
})
