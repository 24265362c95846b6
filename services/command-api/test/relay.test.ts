import { eventWriters, parseUserEvent, SCHEMA_VERSION, syncSubjects, usersStream } from '@cqrs/contracts'
import { eventually, type FreshNats } from '@cqrs/local-stack/testing'
import { createLogger, parseConfig } from '@cqrs/service-kit'
import { jetstreamManager } from '@nats-io/jetstream'
import t from 'tap'
import { Config } from '../src/config.ts'
import { createCommandApi } from '../src/service.ts'
import { type CommandApi, connected, startCommandApi, surroundings } from './fixture.ts'

const api = await startCommandApi(t)
const { newUser, send, published, nats, database } = api

t.test('an event leaves the outbox once the stream has it', async (t) => {
  const { user } = await newUser()
  t.match(await published(user.id, 'created'), { type: 'UserCreated', version: 1, subject: user.id })
  await eventually(async () => (await pending(database)) === 0)
  t.match(await database.db.collection<any>('users').findOne({ _id: user.id }), { outbox: [], pendingSince: undefined })
})

t.test('commands work while NATS is unavailable, and their events are published afterwards', async (t) => {
  await nats.server.kill()
  await eventually(async () => (await send('GET', '/readyz')).body.checks.nats === 'down')
  const { user, token } = await newUser()
  t.match(await send('PUT', `/api/v1/users/${user.id}`, { name: 'Changed', roles: ['buyer'] }, token), { status: 200 })
  t.match(await send('GET', '/readyz'), {
    status: 200,
    body: { status: 'degraded', checks: { mongodb: 'up', nats: 'down' } },
  })
  t.equal(await pending(database), 1)

  await nats.server.start()
  t.match(await published(user.id, 'created'), { version: 1 })
  t.match(await published(user.id, 'updated'), { version: 2 })
  await eventually(async () => (await pending(database)) === 0)
})

t.test('a process that starts without NATS takes commands and publishes later', async (t) => {
  await api.nats.server.kill()
  await api.server.restart()
  const { user } = await api.newUser()
  await api.nats.server.start()
  t.ok(await api.published(user.id, 'created'))
})

t.test('events that a killed process left in the outbox are published by the next one', async (t) => {
  await api.nats.server.kill()
  const { user } = await api.newUser()
  await api.server.kill()
  // The dead process would hold the sweeper's lease for 5 s.
  await api.database.db.collection('leases').updateMany({}, { $set: { expiresAt: new Date(0) } })
  await api.nats.server.start()
  await api.server.start()
  t.ok(await eventually(() => api.published(user.id, 'created')))
})

t.test('three replicas do not publish one backlog three times', async (t) => {
  const api = await startCommandApi(t)
  await api.nats.server.kill()
  const replicas = [await api.replica(), await api.replica()]
  const backlog = Array.from({ length: 300 }, (_, i) => planted(i))
  await api.database.db.collection<any>('users').insertMany(backlog)
  await api.nats.server.start()
  await eventually(async () => (await pending(api.database)) === 0)

  const { state } = await streamInfo(api.nats)
  t.equal(state.messages, 300)
  const published = [api, ...replicas]
    .flatMap(({ logs }) => logs)
    .filter(({ msg }) => msg === 'UserCreated event published')
  t.ok(published.length >= 300 && published.length <= 300 * 1.2, `${published.length} publishes for 300 events`)
})

t.test('an event that was published but not removed when the process died is stored once', async (t) => {
  const { user } = await api.newUser()
  const event = await api.published(user.id, 'created')
  await eventually(async () => (await pending(api.database)) === 0)
  await api.database.db
    .collection<any>('users')
    .updateOne({ _id: user.id }, { $set: { outbox: [event], pendingSince: new Date(0) } })
  await eventually(async () => (await pending(api.database)) === 0)
  t.equal((await api.stream()).filter(({ subject }) => subject === user.id).length, 1)
})

t.test('a tombstone gets its expiry when its event is published, not before', async (t) => {
  const { user, token } = await api.newUser()
  await api.nats.server.kill()
  await api.send('DELETE', `/api/v1/users/${user.id}`, undefined, token)
  const users = api.database.db.collection<any>('users')
  t.equal((await users.findOne({ _id: user.id })).expiresAt, undefined)
  await api.nats.server.start()
  await api.published(user.id, 'deleted')
  const { deletedAt, expiresAt } = await eventually(async () => {
    const tombstone = await users.findOne({ _id: user.id })
    return tombstone.expiresAt ? tombstone : false
  })
  t.equal(expiresAt - deletedAt, 30 * 24 * 3600 * 1000)
})

t.test('SIGTERM finishes a publish in progress, empties the outbox and releases the lease', async (t) => {
  await eventually(() => leaseOf(api.database))
  api.logs.length = 0
  signal(api.nats, 'SIGSTOP')
  const { body: user } = await api.send('POST', '/api/v1/auth/register', account())
  const ended = api.terminate()
  await eventually(() => api.logs.some(({ msg }) => msg === 'closing'))
  signal(api.nats, 'SIGCONT')
  t.equal(await ended, 'exit code 0')
  t.equal(await pending(api.database), 0, 'nothing is left for another process')
  t.equal(await leaseOf(api.database), false, 'another process can sweep at once')
  t.ok(await api.published(user.id, 'created'))
})

t.test('closing the relay waits for what is in progress and then releases the lease', async (t) => {
  const { database, nats, env } = await surroundings(t)
  const config = parseConfig(Config, { ...env, HOST: '127.0.0.1', PORT: '0' })
  const service = await createCommandApi(config, { logger: createLogger('test', 'silent') })
  t.teardown(() => service.close())
  await service.start()
  await eventually(() => leaseOf(database))
  signal(nats, 'SIGSTOP')
  const { statusCode } = await service.app.inject({ method: 'POST', url: '/api/v1/auth/register', payload: account() })
  t.equal(statusCode, 201)
  t.equal(await pending(database), 1)
  let isClosed = false
  const closing = service.relay.close().then(() => {
    isClosed = true
  })
  t.type(await leaseOf(database), 'object', 'the lease is held while the broker does not answer')
  t.notOk(isClosed)
  signal(nats, 'SIGCONT')
  await closing
  t.equal(await pending(database), 0)
  t.equal(await leaseOf(database), false)
})

t.test('events are stored and published in the version of the setting, which decides who can read them', async (t) => {
  // As a release would that calls `name` `displayName` in a next version, and can still write today's.
  const next = SCHEMA_VERSION + 1
  const inVersion = (schemaversion: number) => (event: any) => {
    const { name: displayName, ...user } = event.data.user ?? {}
    const shown = { ...user, displayName, ...(schemaversion < next && { name: displayName }) }
    return { ...event, schemaversion, data: { ...event.data, ...(displayName && { user: shown }) } }
  }
  const today = eventWriters[SCHEMA_VERSION]
  Object.assign(eventWriters, { [SCHEMA_VERSION]: inVersion(SCHEMA_VERSION), [next]: inVersion(next) })
  t.teardown(() => Object.assign(eventWriters, { [SCHEMA_VERSION]: today }))

  const { database, nats, env } = await surroundings(t)
  const admin = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'a password' }
  const config = parseConfig(Config, { ...env, ...admin, HOST: '127.0.0.1', PORT: '0' })
  t.equal(config.EVENT_SCHEMA_VERSION, String(SCHEMA_VERSION), 'by default as the previous release reads it')
  const outboxOf = async (_id: string) => (await database.db.collection<any>('users').findOne({ _id }))?.outbox
  const { writeDatabase } = (await database.db.collection<any>('identity').findOne()) ?? {}
  // The first process creates the admin.
  for (const version of [next, SCHEMA_VERSION]) {
    const setting = { EVENT_SCHEMA_VERSION: String(version) as typeof config.EVENT_SCHEMA_VERSION }
    const service = await createCommandApi({ ...config, ...setting }, { logger: createLogger('test', 'silent') })
    t.teardown(() => service.close())
    await service.start()
    const send = async (method: 'POST' | 'PUT' | 'DELETE', url: string, payload?: object, token?: string) => {
      const headers = token ? { authorization: `Bearer ${token}` } : {}
      const answer = await service.app.inject({ method, url, headers, ...(payload && { payload }) })
      return answer.body && answer.json()
    }
    await connected(nats.url, async (connection) => {
      const published = new Map<string, Uint8Array>()
      connection.subscribe('users.*.*', { callback: (_, { data, subject }) => void published.set(subject, data) })
      await connection.flush()
      const has = (id: string, verb: string) => eventually(() => published.get(`users.${id}.${verb}`) ?? false)
      const republish = (id: string, remedy: string, readVersion: number) =>
        connection.request(
          syncSubjects.republish,
          JSON.stringify({ writeDatabase, users: [{ id, remedy, readVersion }] }),
        )
      const written: any[] = []
      await eventually(() => leaseOf(database))

      signal(nats, 'SIGSTOP')
      const jo = account()
      const { id } = await send('POST', '/api/v1/auth/register', jo)
      const { email, password } = jo
      const { accessToken } = await send('POST', '/api/v1/auth/login', { email, password })
      await send('PUT', `/api/v1/users/${id}`, { name: 'Jo Doe', roles: ['buyer'] }, accessToken)
      written.push(...(await outboxOf(id)))
      signal(nats, 'SIGCONT')
      for (const verb of ['created', 'updated']) written.push(parsed(await has(id, verb)))
      for (const [remedy, readVersion] of [
        ['restate', 1],
        ['raise', 7],
      ] as const) {
        published.clear()
        await republish(id, remedy, readVersion)
        written.push(parsed(await has(id, 'updated')))
      }

      signal(nats, 'SIGSTOP')
      await send('DELETE', `/api/v1/users/${id}`, undefined, accessToken)
      written.push(...(await outboxOf(id)))
      signal(nats, 'SIGCONT')
      written.push(parsed(await has(id, 'deleted')))
      published.clear()
      await republish(id, 'restate', 1)
      written.push(parsed(await has(id, 'deleted')))

      t.equal(written.length, 9)
      for (const event of written) {
        t.equal(event.schemaversion, version, event.type)
        if (event.type !== 'UserDeleted') t.match(event.data.user.displayName, /^Jo/)
        const read = () => parseUserEvent(Buffer.from(JSON.stringify(event)))
        if (version === next) t.throws(read, { message: /^newer-schema-version/ })
        else t.match(read(), event, 'a reader of today reads all')
      }
    })
    await service.close()
  }
  const [first] = await connected(nats.url, async (connection) => {
    const { streams } = await jetstreamManager(connection)
    const { _id } = await database.db.collection<any>('users').findOne({ email: admin.ADMIN_EMAIL })
    return [await streams.getMessage(usersStream.name, { last_by_subj: `users.${_id}.created` })]
  })
  t.match(first?.json(), { schemaversion: next }, 'the event of the first admin')
})

const parsed = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString())

const pending = (database: CommandApi['database']) =>
  database.db.collection('users').countDocuments({ pendingSince: { $exists: true } })

const leaseOf = async (database: CommandApi['database']) =>
  (await database.db.collection<{ _id: string }>('leases').findOne({ _id: 'outbox-sweeper' })) ?? false

/** Suspends the broker without closing its connections, or resumes it. */
const signal = ({ server }: FreshNats, name: 'SIGSTOP' | 'SIGCONT') => process.kill(server.pid ?? 0, name)

const account = () => ({
  email: `${crypto.randomUUID()}@example.com`,
  password: 'password123',
  name: 'Jo',
  roles: ['buyer'],
})

const streamInfo = ({ url }: FreshNats) =>
  connected(url, async (connection) => (await jetstreamManager(connection)).streams.info(usersStream.name))

/** A user after a crash: stored, its event not published. */
function planted(i: number) {
  const _id = `019a6f0c-3b5e-7c21-9d52-${String(i).padStart(12, '0')}`
  const event = { specversion: '1.0', id: `event-${i}`, type: 'UserCreated', subject: _id, version: 1, data: {} }
  return { _id, email: `${i}@example.com`, version: 1, outbox: [event], pendingSince: new Date(0) }
}
