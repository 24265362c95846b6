import t from 'tap'
import { startCommandApi } from './fixture.ts'

const { send, newUser, newAdmin, published } = await startCommandApi(t)
const admin = await newAdmin()
const logIn = (email: string, password: string) =>
  send('POST', '/api/v1/auth/login', { email, password }, undefined, { 'x-request-id': 'a-login' })
const rename = (id: string, as: string) => send('PUT', `/api/v1/users/${id}`, { name: 'Renamed', roles: ['buyer'] }, as)
const changePassword = (id: string, body: object, as: string) => send('POST', `/api/v1/users/${id}/password`, body, as)

t.test('a change of the password revokes every token of the user', async (t) => {
  const { user, email, password, token } = await newUser()
  const other = await logIn(email, password)
  const change = { currentPassword: password, newPassword: 'another password' }
  const { status, headers, body } = await changePassword(user.id, change, token)
  t.match({ status, body }, { status: 200, body: { id: user.id, version: 2 } })
  t.equal(headers.get('etag'), '"2"')
  t.notMatch(JSON.stringify(body), /argon2|tokensFromVersion/)
  t.match(await published(user.id, 'updated'), {
    version: 2,
    data: { changed: ['password'], tokensFromVersion: 2, tokensRevokedAt: body.updatedAt },
  })

  for (const dead of [token, other.body.accessToken]) {
    const refused = await rename(user.id, dead)
    t.match(refused, { status: 401, body: { code: 'token-revoked' } })
    t.equal(refused.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
  }
  t.match(await logIn(email, password), { status: 401, body: { code: 'invalid-credentials' } })
  const { body: fresh } = await logIn(email, 'another password')
  t.match(await rename(user.id, fresh.accessToken), { status: 200, body: { version: 3 } })
  t.match(
    (await published(user.id, 'updated')).data,
    { tokensFromVersion: 2, tokensRevokedAt: body.updatedAt },
    'later events repeat it',
  )
})

t.test('a change of the password needs the current one, and only the user itself may make it', async (t) => {
  const { user, email, password, token } = await newUser()
  for (const wrong of ['not the password', password.toUpperCase(), `${password} `, '']) {
    const change = { currentPassword: wrong, newPassword: 'another password' }
    t.match(await changePassword(user.id, change, token), { status: 403, body: { code: 'wrong-password' } })
  }
  const change = { currentPassword: password, newPassword: 'another password' }
  for (const as of [admin.token, (await newUser()).token])
    t.match(await changePassword(user.id, change, as), { status: 403, body: { code: 'not-allowed' } })
  t.match(await logIn(email, password), { status: 200 })
  t.match(await rename(user.id, token), { status: 200, body: { version: 2 } }, 'the token stays valid')
})

t.test('one of two concurrent changes of the password wins, and its password works', async (t) => {
  const { user, email, password, token } = await newUser()
  const passwords = ['the first of two', 'the second of two']
  const answers = await Promise.all(
    passwords.map((newPassword) => changePassword(user.id, { currentPassword: password, newPassword }, token)),
  )
  const winner = answers.findIndex(({ status }) => status === 200)
  // The other one met the new password, or its token was revoked.
  t.match(
    answers.filter((_, n) => n !== winner),
    [{ status: /^40[13]$/ }],
  )
  t.match(await logIn(email, passwords[winner] ?? ''), { status: 200 })
})

t.test('a deactivated user has no login and no valid token until it is activated again', async (t) => {
  const { user, email, password, token } = await newUser()
  const set = (what: 'deactivate' | 'activate', as = admin.token) =>
    send('POST', `/api/v1/users/${user.id}/${what}`, undefined, as)

  const { status, headers, body } = await set('deactivate')
  t.match({ status, body }, { status: 200, body: { id: user.id, isActive: false, version: 2 } })
  t.equal(headers.get('etag'), '"2"')
  t.match((await published(user.id, 'updated')).data, {
    changed: ['isActive'],
    user: { isActive: false },
    tokensFromVersion: 2,
  })
  t.match(await rename(user.id, token), { status: 401, body: { code: 'token-revoked' } })
  const [refused, wrong] = await Promise.all([logIn(email, password), logIn(email, 'not the password')])
  t.strictSame(refused.body, wrong.body, 'the same answer as for a wrong password')
  t.match(await set('deactivate'), { status: 200, body: { version: 2 } }, 'a second time changes nothing')

  t.match(await set('activate'), { status: 200, body: { isActive: true, version: 3 } })
  t.match(await set('activate'), { status: 200, body: { version: 3 } })
  t.match(await rename(user.id, token), { status: 401 }, 'an earlier token stays revoked')
  const { body: fresh } = await logIn(email, password)
  t.match(await rename(user.id, fresh.accessToken), { status: 200 })
  for (const what of ['deactivate', 'activate'] as const)
    t.match(
      await set(what, fresh.accessToken),
      { status: 403, body: { code: 'not-allowed' } },
      'a user may not do it to itself',
    )
})

t.test('an admin gets 404 for a user that does not exist', async (t) => {
  for (const what of ['deactivate', 'activate']) {
    const path = `/api/v1/users/019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37/${what}`
    t.match(await send('POST', path, undefined, admin.token), { status: 404, body: { code: 'user-not-found' } })
  }
})

t.test(
  'an admin that loses the role loses its permissions at once, although its token still has the role',
  async (t) => {
    const { user } = await newUser()
    const former = await newAdmin()
    const { body: session } = await logIn(former.email, former.password)
    t.match(await rename(user.id, session.accessToken), { status: 200 })
    const demoted = await send('PUT', `/api/v1/users/${former.user.id}`, { name: 'X', roles: ['buyer'] }, admin.token)
    t.equal(demoted.status, 200)
    t.match(await rename(user.id, session.accessToken), { status: 403, body: { code: 'not-allowed' } })
    t.match(await rename(former.user.id, session.accessToken), { status: 200 }, 'the token itself is valid')
  },
)
