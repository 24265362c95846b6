import { eventually, freePort, runProgram } from '@cqrs/local-stack/testing'
import { createLogger, generateKeyFiles, parseConfig } from '@cqrs/service-kit'
import t from 'tap'
import { Config } from '../src/config.ts'
import { createCommandApi } from '../src/service.ts'
import { startCommandApi } from './fixture.ts'

t.test('one line names every wrong setting without its value, and the exit code is 1', async (t) => {
  const { code, output } = await runProgram('command-api', 'main.js', [], {
    PORT: 'http',
    MONGODB_URI: 'secret',
    ARGON2_MEMORY_KIB: '1024',
    LOG_LEVEL: 'loud',
  })
  t.equal(code, 1)
  t.equal(output.trim().split('\n').length, 1)
  for (const name of ['PORT', 'MONGODB_URI', 'ARGON2_MEMORY_KIB', 'LOG_LEVEL', 'JWT_SIGNING_KEY_FILE', 'JWKS_FILE'])
    t.match(output, name)
  t.notMatch(output, 'secret')
})

t.test('one line names a missing key file', async (t) => {
  const env = {
    MONGODB_URI: 'mongodb://127.0.0.1:1/x',
    JWT_SIGNING_KEY_FILE: '/nowhere/key.pem',
    JWKS_FILE: '/nowhere/jwks.json',
  }
  const { code, output } = await runProgram('command-api', 'main.js', [], env)
  t.equal(code, 1)
  t.match(output, /^[^\n]*\/nowhere\/key.pem[^\n]*\n$/)
})

t.test('it starts without its database and answers that it is unavailable', async (t) => {
  const { send } = await startCommandApi(t, { MONGODB_URI: 'mongodb://127.0.0.1:1/nothing' })
  t.match(await send('GET', '/healthz'), { status: 200 })
  t.match(await send('GET', '/readyz'), { status: 503, body: { status: 'unready', checks: { mongodb: 'down' } } })
  const answer = await send('POST', '/api/v1/auth/register', {
    email: 'a@example.com',
    password: 'password123',
    name: 'A',
    roles: ['buyer'],
  })
  t.match(answer, { status: 503, body: { code: 'storage-unavailable' } })
  t.ok(answer.headers.get('retry-after'))
})

t.test('METRICS_PORT answers metrics and nothing else does', async (t) => {
  const METRICS_PORT = String(await freePort())
  const { url, replicaEnv } = await startCommandApi(t, { METRICS_PORT })
  const metrics = await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)
  t.match(await metrics.text(), /^outbox_pending_users 0$/m)
  t.equal((await fetch(`${url}/metrics`)).status, 404)
  t.equal((await fetch(`http://127.0.0.1:${METRICS_PORT}/healthz`)).status, 404)
  const { code, output } = await runProgram('command-api', 'main.js', [], { ...replicaEnv, PORT: '0' })
  t.equal(code, 1, 'a second process reports that the port is in use')
  t.match(output, 'EADDRINUSE')
})

t.test('a service closes without having started, and a process can have two', async (t) => {
  const { signingKeyFile, jwksFile } = await generateKeyFiles(t.testdir())
  const config = parseConfig(Config, {
    MONGODB_URI: 'mongodb://127.0.0.1:1/nothing',
    NATS_URL: `nats://127.0.0.1:${await freePort()}`,
    JWT_SIGNING_KEY_FILE: signingKeyFile,
    JWKS_FILE: jwksFile,
  })
  const lines: string[] = []
  const logger = createLogger('test', 'trace', { write: (line) => lines.push(line) })
  const services = [await createCommandApi(config, { logger }), await createCommandApi(config, { logger })]
  const { statusCode } = (await services[0]?.app.inject('/healthz')) ?? {}
  t.equal(statusCode, 200)
  await Promise.all(services.map((service) => service.close()))
  t.notMatch(lines.join(''), /NATS|"level":"(warn|error)"/, 'it connected to nothing')
})

t.test('the first admin is created from the environment, and does not come back after its deletion', async (t) => {
  const admin = { ADMIN_EMAIL: 'Root@example.com', ADMIN_PASSWORD: 'correct horse' }
  const { send, server, lines, newAdmin, database } = await startCommandApi(t, admin)
  const login = () => send('POST', '/api/v1/auth/login', { email: 'root@example.com', password: 'correct horse' })
  await eventually(async () => (await login()).status === 200)
  await server.restart()
  t.match(await login(), { status: 200 })
  const root = await database.db.collection<any>('users').findOne({ email: 'root@example.com' })
  t.equal((await send('DELETE', `/api/v1/users/${root._id}`, undefined, (await newAdmin()).token)).status, 204)
  await server.restart()
  await eventually(async () => (await login()).status === 401)
  t.equal(await database.db.collection('users').countDocuments({ email: 'root@example.com' }), 0)
  t.notMatch(lines.join('\n'), /correct horse|root@/i)
})

t.test('an ADMIN_EMAIL that somebody else has registered is reported, and makes nobody an admin', async (t) => {
  const api = await startCommandApi(t)
  const { user, email } = await api.newUser()
  const replica = await api.replica({ ADMIN_EMAIL: email, ADMIN_PASSWORD: 'correct horse' })
  await eventually(() =>
    replica.logs.some(({ level, msg }) => level === 'error' && /^admin not created/.test(String(msg))),
  )
  t.strictSame((await api.database.db.collection<any>('users').findOne({ _id: user.id })).roles, user.roles)
})

t.test('the operator’s command creates an admin, who may change others', async (t) => {
  const api = await startCommandApi(t)
  const { user } = await api.newUser()
  const { code, output } = await runProgram(
    'command-api',
    'programs/create-admin.js',
    ['Boss@example.com'],
    api.replicaEnv,
  )
  t.equal(code, 0)
  const password = /password \(shown only once\): (\S+)/.exec(output)?.[1]
  const { body } = await api.send('POST', '/api/v1/auth/login', { email: 'boss@example.com', password })
  t.match(await api.send('PUT', `/api/v1/users/${user.id}`, { name: 'X', roles: ['admin'] }, body.accessToken), {
    status: 200,
  })
  t.match(await runProgram('command-api', 'programs/create-admin.js', ['boss@example.com'], api.replicaEnv), {
    code: 1,
    output: /exists/,
  })
  t.match(await runProgram('command-api', 'programs/create-admin.js', ['no address'], api.replicaEnv), {
    code: 1,
    output: /usage/,
  })
})
