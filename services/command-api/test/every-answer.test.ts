import { randomUUIDv7 } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type ProblemCode, problems, routes } from '@cqrs/contracts'
import { descriptionOf, freshDatabase } from '@cqrs/local-stack/testing'
import { createLogger, ensureCollections, parseConfig } from '@cqrs/service-kit'
import { MongoNetworkError } from 'mongodb'
import t, { type Test } from 'tap'
import { Config } from '../src/config.ts'
import { collections } from '../src/resources.ts'
import { createCommandApi } from '../src/service.ts'
import { LoginBackOff } from '../src/sign-in/login-back-off.ts'
import { UserRepository } from '../src/store/user-repository.ts'
import { startCommandApi } from './fixture.ts'

// Refusals that the other suites do not expect of each operation. `npm test` fails for those that no test has seen.
type Operation = keyof typeof bodies
const bodies = {
  registerUser: { email: 'jo@example.com', password: 'password123', name: 'Jo', roles: ['buyer'] },
  logIn: { email: 'jo@example.com', password: 'password123' },
  refreshSession: { refreshToken: 'x'.repeat(43) },
  logOut: { refreshToken: 'x'.repeat(43) },
  logOutEverywhere: undefined,
  updateUser: { name: 'Jo Doe', roles: ['buyer'] },
  deleteUser: undefined,
  changePassword: { currentPassword: 'password123', newPassword: 'another password' },
  deactivateUser: undefined,
  activateUser: undefined,
}
const needToken = [
  'logOutEverywhere',
  'updateUser',
  'deleteUser',
  'changePassword',
  'deactivateUser',
  'activateUser',
] as const
const strangerId = '019a6f0c-0000-7000-8000-000000000000'

const api = await startCommandApi(t)
const outsideDescription = descriptionOf('command-api')
// The server waits ten seconds for its rest; the other tests run in this time.
const unfinished = raw(`GET ${routes.publicKeys.path} HTTP/1.1\r\nHost: a\r\n`)

for (const operation of needToken) {
  t.test(`${operation} needs a token that is valid`, async (t) => {
    const { user } = await api.newUser()
    const send = (as?: string) => api.send(...requestOf(operation, user.id), as)
    t.match(await send(), refusal('token-missing'))
    t.match(await send('garbage'), refusal('token-invalid'))
    const anHourAgo = { clockTimestamp: Date.now() - 3_600_000 }
    t.match(await send(api.token({ sub: user.id }, anHourAgo)), refusal('token-expired'))
    t.match(await send(api.token({ sub: strangerId })), refusal('token-revoked'))
  })
}

t.test('without the database, each command is refused', async (t) => {
  const { send, token } = await startCommandApi(t, { MONGODB_URI: 'mongodb://127.0.0.1:1/nothing' })
  const operations = Object.keys(bodies) as Operation[]
  const answers = operations.map((operation) => send(...requestOf(operation), token({ sub: strangerId })))
  for (const answer of await Promise.all(answers)) t.match(answer, refusal('storage-unavailable'))
})

t.test('without its rights in the database, each command is refused, and an operator is told', async (t) => {
  const { db, name, uri } = await freshDatabase(t)
  const [user, pwd] = ['command-api', 'secret']
  await db.command({ createUser: user, pwd, roles: ['readWrite'] })
  t.teardown(() => db.command({ dropUser: user }))
  const limited = new URL(uri)
  Object.assign(limited, { username: user, password: pwd })
  limited.searchParams.set('authSource', name)
  await ensureCollections(db, collections)
  const { send, token, logs } = await startCommandApi(t, { MONGODB_URI: limited.href })
  const { status, body } = await send(...requestOf('registerUser'))
  t.equal(status, 201)
  await db.collection('users').updateOne({ _id: body.id }, { $set: { roles: ['admin'] } })
  await db.collection<any>('users').insertOne({ _id: 'another admin', roles: ['admin'], isActive: true })
  await db.command({ updateUser: user, roles: [{ role: 'read', db: name }] })
  for (const operation of Object.keys(bodies) as Operation[]) {
    const answer = await send(...requestOf(operation, body.id), token({ sub: body.id }))
    // The user is active, and reading that is allowed.
    t.match(answer, operation === 'activateUser' ? { status: 200 } : refusal('storage-unavailable'), operation)
  }
  t.ok(logs.some((line) => line.level === 'error' && line.msg === 'request failed' && (line['err'] as any).code === 13))
})

t.test('each operation with a rate limit refuses further requests', async (t) => {
  const names = ['RATE_LIMIT_REGISTER', 'RATE_LIMIT_LOGIN', 'RATE_LIMIT_REFRESH', 'RATE_LIMIT_CHANGE']
  const { send, token } = await startCommandApi(t, Object.fromEntries(names.map((name) => [name, '1'])))
  for (const operation of ['registerUser', 'logIn', 'refreshSession', 'logOut'] as const) {
    await send(...requestOf(operation))
    t.match(await send(...requestOf(operation)), refusal('rate-limited'), operation)
  }
  for (const operation of needToken) {
    const as = token({ sub: randomUUIDv7() })
    t.match(await send(...requestOf(operation), as), refusal('token-revoked'), operation)
    t.match(await send(...requestOf(operation), as), refusal('rate-limited'), operation)
  }
})

t.test('a user that others keep changing is not changed', async (t) => {
  const send = await inProcess(t)
  await api.newAdmin() // so that no other is the last one
  t.intercept(UserRepository.prototype, 'save', { value: async () => false })
  t.intercept(UserRepository.prototype, 'bury', { value: async () => false })
  for (const operation of needToken) {
    const { user, token } = operation.endsWith('activateUser') ? await api.newAdmin() : await api.newUser()
    if (operation === 'activateUser') {
      const { user: other } = await api.newUser()
      await api.send('POST', routes.deactivateUser.path.replace(':id', other.id), undefined, token)
      t.match(await send(operation, other.id, token), refusal('version-conflict'), operation)
    } else t.match(await send(operation, user.id, token), refusal('version-conflict'), operation)
  }
})

t.test('a user that is deleted after its token is checked is not found', async (t) => {
  const send = await inProcess(t)
  const { user, token } = await api.newUser()
  for (const operation of ['logOutEverywhere', 'changePassword'] as const) {
    const { findById } = UserRepository.prototype
    let lookUps = 0
    const value = async function (this: UserRepository, id: string) {
      return ++lookUps === 1 ? await findById.call(this, id) : undefined
    }
    const restore = t.intercept(UserRepository.prototype, 'findById', { value })
    t.match(await send(operation, user.id, token), refusal('user-not-found'), operation)
    restore.restore()
  }
})

t.test('a user whose failed logins cannot be deleted is not deleted either', async (t) => {
  const send = await inProcess(t)
  const { user, token } = await api.newUser()
  const value = async () => {
    throw new MongoNetworkError('reset')
  }
  const fault = t.intercept(LoginBackOff.prototype, 'forget', { value })
  t.match(await send('deleteUser', user.id, token), refusal('storage-unavailable'))
  fault.restore()
  t.match(await send('deleteUser', user.id, token), { status: 204 })
})

t.test('a fault of the service is a problem of its own', async (t) => {
  const send = await inProcess(t)
  const value = async () => {
    throw new TypeError('x is not a function')
  }
  const { user, token } = await api.newUser()
  t.intercept(UserRepository.prototype, 'findById', { value })
  t.match(await send('updateUser', user.id, token), refusal('internal'))
})

t.test('only an admin grants the role admin', async (t) => {
  const { user, token } = await api.newUser()
  const body = { name: 'Jo', roles: ['admin'] }
  t.match(await api.send('PUT', requestOf('updateUser', user.id)[1], body, token), refusal('role-not-allowed'))
})

t.test('a common password is refused as a new one', async (t) => {
  const strict = await startCommandApi(t, { PASSWORD_DENY_COMMON: 'on' })
  const account = { email: 'jo@example.com', password: 'a rare one, not common', name: 'Jo', roles: ['buyer'] }
  const { body: user } = await strict.send('POST', routes.registerUser.path, account)
  const passwords = { currentPassword: account.password, newPassword: 'password123' }
  const answer = await strict.send(
    'POST',
    requestOf('changePassword', user.id)[1],
    passwords,
    strict.token({ sub: user.id }),
  )
  t.match(answer, refusal('password-too-common'))
})

t.test('a body of another type is refused', async (t) => {
  const headers = { 'content-type': 'text/plain' }
  const response = await fetch(api.url + routes.logIn.path, { method: 'POST', headers, body: 'hello' })
  judge('POST', routes.logIn.path, response.status, Object.fromEntries(response.headers), await response.text())
  t.equal(response.status, 415)
})

t.test('headers over the limit are refused', async (t) => {
  t.match(
    await raw(`GET ${routes.publicKeys.path} HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1.1 431 /,
  )
})

t.test('a request that takes too long to arrive is refused', async (t) => {
  t.match(await unfinished, /^HTTP\/1.1 408 /)
})

function requestOf(operation: Operation, id = strangerId): [method: string, path: string, body: object | undefined] {
  const { method, path } = routes[operation]
  return [method, path.replace(':id', id), bodies[operation]]
}

const refusal = (code: ProblemCode) => ({ status: problems[code][0], body: { code } })

/** Sends requests to another command-api on the same database, in this process, where a test can replace its parts. */
async function inProcess(t: Test) {
  const config = parseConfig(Config, { ...api.replicaEnv, HOST: '127.0.0.1', PORT: '0' })
  const service = await createCommandApi(config, { logger: createLogger('command-api', 'silent') })
  t.teardown(() => service.close())
  await service.start()
  return async (operation: Operation, id: string, as: string) => {
    const [method, url, payload] = requestOf(operation, id)
    const headers = { authorization: `Bearer ${as}` }
    const answer = await service.app.inject({ method: method as 'POST', url, headers, ...(payload && { payload }) })
    judge(method, url, answer.statusCode, answer.headers, answer.body)
    return { status: answer.statusCode, body: answer.body && answer.json() }
  }
}

function judge(method: string, path: string, status: number, headers: Record<string, unknown>, body: string): void {
  const outside = outsideDescription({ method, path, status, headers, body })
  if (outside) throw new Error(outside)
}

/** Sends these bytes on a connection of their own, and returns the whole response. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(bytes)
  const answer = await text(socket)
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  const headers = Object.fromEntries(
    head
      .split('\r\n')
      .slice(1)
      .map((line) => line.toLowerCase().split(': ')),
  )
  judge('GET', routes.publicKeys.path, Number(head.split(' ')[1]), headers, body)
  return answer
}
