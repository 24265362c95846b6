import { eventually } from '@cqrs/local-stack/testing'
import t from 'tap'
import { NoAnswerError, ProblemError, type SessionStorage, UnexpectedAnswerError } from '../src/index.ts'
import { admin, newAccount, password, startSystem } from './stack.ts'

// Through a proxy that fails as it is told. Nobody else uses this system.
t.setTimeout(300_000)
const { stack, proxy, newClient, loggedIn } = await startSystem(t)

const register = 'POST /api/v1/auth/register'
const refresh = 'POST /api/v1/auth/refresh'
const list = 'GET /api/v1/users'

const sessionKey = '@cqrs/client session'
const refusedToken = ({ accessToken, ...tokens }: Tokens) => ({
  ...tokens,
  accessToken: `${accessToken.slice(0, -8)}AAAAAAAA`,
})
type Tokens = { accessToken: string; refreshToken: string; expiresAt: number }

t.test('a registration whose answer is lost is repeated, and registers one user', async (t) => {
  const client = newClient()
  const account = newAccount()
  const before = proxy.sentTo(register).length
  proxy.fault({ on: register, cut: true })
  const user = await client.registerUser(account)
  t.match(user, { email: account.email, version: 1 })
  const [first, second, ...more] = proxy.sentTo(register).slice(before)
  t.strictSame(more, [])
  t.match(first?.headers['idempotency-key'], /^".{16,}"$/)
  t.equal(second?.headers['idempotency-key'], first?.headers['idempotency-key'])
  t.equal(second?.body, first?.body)

  await client.logIn(account)
  t.equal(await client.currentUserId(), user.id)
  t.equal((await client.listPage({ q: account.email })).data.length, 1)
})

t.test('the key of the caller makes two calls one registration', async (t) => {
  const account = newAccount()
  const idempotencyKey = `"${crypto.randomUUID()}\\`
  const first = await newClient().registerUser(account, { idempotencyKey })
  t.strictSame(await newClient().registerUser(account, { idempotencyKey }), first)
  await t.rejects(newClient().registerUser(account), { code: 'email-taken' })
})

t.test('an update whose answer is lost is repeated with its key, also for one version only', async (t) => {
  const { client, id } = await loggedIn()
  const put = `PUT /api/v1/users/${id}`
  proxy.fault({ on: put, cut: true })
  const user = await client.updateUser(id, { name: 'Jane', roles: ['seller'] }, { ifVersion: 1 })
  t.match(user, { name: 'Jane', version: 2 })
  t.equal(new Set(proxy.sentTo(put).map(({ headers }) => headers['idempotency-key'])).size, 1)
  t.equal(proxy.sentTo(put).length, 2)
  const refused = client.updateUser(id, { name: 'Joe', roles: ['seller'] }, { ifVersion: 1 })
  await t.rejects(refused, { code: 'precondition-failed', status: 412 })
  t.match(await client.getUser(id), { name: 'Jane', isSeller: true })
})

t.test('a deletion whose answer is lost succeeds, and no list shows the user', async (t) => {
  const { id } = await loggedIn()
  const client = newClient()
  await client.logIn(admin)
  const { page } = await whileBehind(async () => {
    proxy.fault({ on: `DELETE /api/v1/users/${id}`, cut: true })
    await client.deleteUser(id)
    return { page: client.listPage({ limit: 100 }) }
  })
  t.equal(proxy.sentTo(`DELETE /api/v1/users/${id}`).length, 2)
  t.notOk((await page).data.some((user) => user.id === id))
  await t.rejects(client.deleteUser(id), { code: 'user-not-found' }, 'no answer of this call was lost')
})

t.test('users who delete themselves are logged out, also if the answer is lost', async (t) => {
  const ends: ProblemError[] = []
  const onSessionEnd = (reason: ProblemError) => void ends.push(reason)
  const { client, id } = await loggedIn({ onSessionEnd })
  await client.deleteUser(id)
  t.equal(await client.currentUserId(), undefined)
  t.strictSame(ends, [])

  const { client: other, id: otherId } = await loggedIn({ onSessionEnd })
  proxy.fault({ on: `DELETE /api/v1/users/${otherId}`, cut: true })
  await t.rejects(other.deleteUser(otherId), { code: 'refresh-token-invalid' })
  t.equal(await other.currentUserId(), undefined)
  t.equal(ends.length, 1)
})

t.test('a change of password whose answer is lost is not repeated', async (t) => {
  const { client, id, account } = await loggedIn()
  const change = `POST /api/v1/users/${id}/password`
  proxy.fault({ on: change, cut: true })
  const input = { currentPassword: password, newPassword: 'another horse battery' }
  await t.rejects(client.changePassword(id, input), NoAnswerError)
  t.equal(proxy.sentTo(change).length, 1)
  t.equal(await client.logIn({ email: account.email, password: input.newPassword }), id)
  await client.changePassword(id, { currentPassword: input.newPassword, newPassword: password })
  t.equal(await client.currentUserId(), undefined, 'the session has ended')
})

t.test('a refresh whose answer is lost is repeated with the same token, and the session continues', async (t) => {
  const { client, id } = await loggedIn()
  const before = proxy.sentTo(refresh).length
  proxy.fault({ on: refresh, cut: true })
  proxy.fault({ on: refresh, answer: { status: 503, headers: { 'retry-after': '0' } } })
  await client.refreshSession()
  const bodies = proxy.sentTo(refresh).map(({ body }) => body)
  t.equal(bodies.length, before + 3)
  t.equal(new Set(bodies.slice(before)).size, 1)
  await client.refreshSession()
  t.match(await client.getUser(id), { id })
})

t.test('20 calls with a token that is refused share one refresh', async (t) => {
  const storage = newStorage()
  const { client, id } = await loggedIn({ storage })
  storage.change(refusedToken)
  const before = proxy.sentTo(refresh).length
  const users = await Promise.all(Array.from({ length: 20 }, () => client.getUser(id)))
  t.ok(users.every((user) => user.id === id))
  t.equal(proxy.sentTo(refresh).length, before + 1)
})

t.test('a token that has expired is replaced before it is sent', async (t) => {
  const storage = newStorage()
  const { client, id } = await loggedIn({ storage })
  storage.change((tokens) => ({ ...tokens, expiresAt: 0 }))
  const before = { refresh: proxy.sentTo(refresh).length, get: proxy.sentTo(`GET /api/v1/users/${id}`).length }
  await Promise.all(Array.from({ length: 20 }, () => client.getUser(id)))
  t.equal(proxy.sentTo(refresh).length, before.refresh + 1)
  t.equal(proxy.sentTo(`GET /api/v1/users/${id}`).length, before.get + 20)
})

t.test('a session is kept in its storage, and two tabs share it', async (t) => {
  const storage = newStorage()
  const { client, id } = await loggedIn({ storage })
  const otherTab = newClient({ storage })
  t.equal(await otherTab.currentUserId(), id)
  storage.change(refusedToken)
  t.match(await Promise.all([client, otherTab].map((tab) => tab.getUser(id))), [{ id }, { id }])
  await client.refreshSession()
  await otherTab.refreshSession()
  t.match(await client.getUser(id), { id })
})

t.test('a session that the service has ended is reported once', async (t) => {
  const storage = newStorage()
  const ends: ProblemError[] = []
  const { client, id, account } = await loggedIn({ storage, onSessionEnd: (reason) => ends.push(reason) })
  const elsewhere = newClient()
  await elsewhere.logIn(account)
  await elsewhere.logOutEverywhere()
  t.equal(await elsewhere.currentUserId(), undefined)
  storage.change((tokens) => ({ ...tokens, expiresAt: 0 }))
  const calls = await Promise.allSettled([1, 2, 3].map(() => client.getUser(id)))
  t.match(calls, Array(3).fill({ reason: { code: 'refresh-token-invalid', status: 401 } }))
  t.match(ends, [{ code: 'refresh-token-invalid' }])
  t.equal(ends.length, 1)
  t.equal(await client.currentUserId(), undefined)
  await t.rejects(client.getUser(id), { code: 'token-missing' })
})

t.test('a refresh that cannot be answered does not end the session', async (t) => {
  const ends: ProblemError[] = []
  const { client, id } = await loggedIn({ onSessionEnd: (reason) => ends.push(reason), retries: { attempts: 1 } })
  proxy.fault({ on: refresh, answer: { status: 503, headers: { 'retry-after': '0' } } })
  await t.rejects(client.refreshSession(), UnexpectedAnswerError)
  t.strictSame(ends, [])
  t.match(await client.getUser(id), { id })
})

t.test('a command is not sent as somebody else who has logged in since', async (t) => {
  const storage = newStorage()
  const { client, id } = await loggedIn({ storage })
  const other = newStorage()
  await newClient({ storage: other }).logIn(admin)
  const put = `PUT /api/v1/users/${id}`
  const answered = Promise.withResolvers<void>()
  storage.change(refusedToken)
  proxy.fault({ on: put, until: answered.promise })
  const refused = t.rejects(client.updateUser(id, { name: 'Jane', roles: ['buyer'] }), { code: 'token-invalid' })
  await eventually(async () => proxy.sentTo(put).length > 0)
  storage.change(() => JSON.parse(other.getItem(sessionKey) ?? ''))
  answered.resolve()
  await refused
  t.match(await client.getUser(id), { name: 'Jo' })
})

t.test('a log-out during a refresh is final, and the device token outlives it', async (t) => {
  const { client, account } = await loggedIn()
  const answered = Promise.withResolvers<void>()
  proxy.fault({ on: refresh, until: answered.promise })
  const before = proxy.sentTo(refresh).length
  const renewal = client.refreshSession()
  await eventually(async () => proxy.sentTo(refresh).length > before)
  await client.logOut()
  answered.resolve()
  await renewal
  t.equal(await client.currentUserId(), undefined)

  await client.logIn(account)
  const logins = proxy.sentTo('POST /api/v1/auth/login').map(({ body }) => JSON.parse(body))
  t.match(logins.at(-1), { email: account.email, deviceToken: /^ey/ })
  t.notOk('deviceToken' in logins.at(-2))
})

t.test('a list right after a registration has the user, also while the read model is behind', async (t) => {
  const { client } = await loggedIn()
  const { id, page } = await whileBehind(async () => {
    const { id } = await client.registerUser(newAccount())
    return { id, page: client.listPage({ limit: 5 }) }
  })
  t.equal((await page).data[0]?.id, id)
})

t.test('another client is as fresh with the token of the first', async (t) => {
  const storage = newStorage()
  await loggedIn({ storage })
  const writer = newClient()
  const { id, page } = await whileBehind(async () => {
    const { id } = await writer.registerUser(newAccount())
    return { id, page: newClient({ storage, consistencyToken: writer.consistencyToken }).listPage({ limit: 5 }) }
  })
  t.equal((await page).data[0]?.id, id)
})

t.test('more tokens than the service takes do not stop queries, and the latest changes are seen', async (t) => {
  const { client } = await loggedIn()
  const tokens: string[] = []
  for (let n = 0; n < 22; n++) {
    const one = newClient()
    await one.registerUser(newAccount())
    tokens.push(one.consistencyToken)
  }
  const storage = newStorage()
  await newClient({ storage }).logIn(admin)
  const { last, page } = await whileBehind(async () => {
    const last = await client.registerUser(newAccount())
    const consistencyToken = [...tokens, client.consistencyToken].join(',')
    return { last, page: newClient({ storage, consistencyToken }).listPage({ limit: 1 }) }
  })
  t.equal((await page).data[0]?.id, last.id)
})

t.test('lists are iterated page by page: all, of a role, of a search, of the directory', async (t) => {
  const client = newClient()
  await client.logIn(admin)
  const name = `Zed${Date.now()}`
  const ids: string[] = []
  for (let n = 0; n < 5; n++) {
    const roles = [n < 3 ? ('seller' as const) : ('buyer' as const)]
    ids.unshift((await client.registerUser({ ...newAccount(name), roles })).id)
  }
  const idsOf = async (users: AsyncIterable<{ id: string }>) => {
    const found: string[] = []
    for await (const { id } of users) found.push(id)
    return found
  }
  const before = proxy.sentTo(list).length
  t.strictSame((await idsOf(client.listUsers({ q: name, limit: 2 }))).sort(), ids.toSorted())
  t.equal(proxy.sentTo(list).length, before + 3)
  const everybody = await idsOf(client.listUsers())
  t.strictSame(everybody.slice(0, 5), ids)
  t.strictSame(await idsOf(client.listUsers({ limit: 3, offset: 2 })), everybody.slice(2))
  t.strictSame((await idsOf(client.listUsers({ role: 'seller', limit: 2 }))).slice(0, 3), ids.slice(2))
  t.strictSame((await idsOf(client.listDirectory({ word: name, limit: 4 }))).sort(), ids.toSorted())
  t.strictSame((await idsOf(client.listDirectory({ role: 'seller' }))).slice(0, 3).sort(), ids.slice(2).sort())
  t.equal((await client.listPage({ role: 'seller', limit: 1 })).data[0]?.id, ids[2])
  t.match(await client.userStats(), { users: everybody.length, byRole: { seller: Number } })
})

t.test('an admin deactivates and activates a user', async (t) => {
  const { client, id } = await loggedIn()
  const ofAdmin = newClient()
  await ofAdmin.logIn(admin)
  t.match(await ofAdmin.deactivateUser(id), { isActive: false })
  t.match(await ofAdmin.getUser(id), { isActive: false })
  await t.rejects(client.refreshSession(), { code: 'refresh-token-invalid' })
  t.match(await ofAdmin.activateUser(id), { isActive: true })
})

t.test('a refusal says why, where, and which request it was', async (t) => {
  const { client, id, account } = await loggedIn()
  await t.rejects(client.registerUser(account), { code: 'email-taken', status: 409 })
  const invalid = await client.registerUser({ ...newAccount(), email: 'nobody' }).catch((error) => error)
  t.ok(invalid instanceof ProblemError)
  t.match(invalid, { code: 'validation-failed', errors: [{ pointer: '#/body/email' }], instance: /^\w+/ })
  t.equal(invalid.headers.get('x-request-id'), invalid.instance)
  await t.rejects(client.logIn({ email: account.email, password: 'guessed-wrong' }), { code: 'invalid-credentials' })
  await t.rejects(client.deactivateUser(id), { code: 'not-allowed', status: 403 })
  await t.rejects(client.getUser('019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'), { code: 'user-not-found' })
  await t.rejects(newClient().getUser(id), { code: 'token-missing' })
})

t.test('the page of a proxy is an error of its own', async (t) => {
  const { client, account } = await loggedIn()
  const page = { headers: { 'content-type': 'text/html' }, body: '<h1>Bad Gateway</h1>' }
  proxy.fault({ on: 'POST /api/v1/auth/login', answer: { status: 502, ...page } })
  const error = await client.logIn(account).catch((error) => error)
  t.ok(error instanceof UnexpectedAnswerError)
  t.match(error, { status: 502, body: '<h1>Bad Gateway</h1>' })
  proxy.fault({ on: list, answer: { status: 200, ...page } })
  await t.rejects(client.listPage(), { name: 'UnexpectedAnswerError', status: 200 })
  proxy.fault({ on: list, answer: { status: 502, ...page } })
  t.match(await client.listPage(), { data: Array }, 'a query is repeated')
})

t.test('an abort ends a call that waits for an answer, or to repeat it, but no refresh of others', async (t) => {
  const storage = newStorage()
  const { client, id } = await loggedIn({ storage })
  const never = Promise.withResolvers<void>()
  const aborted = async (call: (signal: AbortSignal) => Promise<unknown>, request: string) => {
    const controller = new AbortController()
    const before = proxy.sentTo(request).length
    const rejected = t.rejects(call(controller.signal), { name: 'AbortError' })
    await eventually(async () => proxy.sentTo(request).length > before)
    controller.abort()
    await rejected
    return proxy.sentTo(request).length - before
  }
  proxy.fault({ on: list, until: never.promise })
  t.equal(await aborted((signal) => client.listPage({}, { signal }), list), 1)
  proxy.fault({ on: list, answer: { status: 503, headers: { 'retry-after': '20' } } })
  t.equal(await aborted((signal) => client.listUsers({}, { signal }).next(), list), 1)

  storage.change((tokens) => ({ ...tokens, expiresAt: 0 }))
  const answered = Promise.withResolvers<void>()
  proxy.fault({ on: refresh, until: answered.promise })
  let other: Promise<unknown> = Promise.resolve()
  const both = (signal: AbortSignal) => {
    const call = client.getUser(id, { signal })
    other = client.getUser(id)
    return call
  }
  t.equal(await aborted(both, refresh), 1)
  answered.resolve()
  t.match(await other, { id })
  await t.rejects(client.getUser(id, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  never.resolve()
})

/** Runs this while the read models do not follow, and lets them follow again. */
async function whileBehind<Result>(run: () => Promise<Result>): Promise<Result> {
  await stack.servers.projector.stop()
  return await run().finally(() => stack.servers.projector.start())
}

/** A storage as a browser's, whose session a test can change. */
function newStorage() {
  const items = new Map<string, string>()
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
    change(how: (tokens: Tokens) => object): void {
      items.set(sessionKey, JSON.stringify(how(JSON.parse(items.get(sessionKey) ?? ''))))
    },
  } satisfies SessionStorage & { change: unknown }
}
