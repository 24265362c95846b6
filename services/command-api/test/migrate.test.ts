import { deadLetterStream, usersStream } from '@cqrs/contracts'
import { eventually, freePort, freshDatabase, freshNats, runProgram } from '@cqrs/local-stack/testing'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { collections } from '../src/resources.ts'
import { usersIndexes } from '../src/store/user-document.ts'
import { startCommandApi } from './fixture.ts'

const unreachable = `nats://127.0.0.1:${await freePort()}`
const everything = collections.map(({ name }) => `collection ${name}`)
const newcomer = { email: 'new@example.com', password: 'correct horse 7', name: 'New', roles: ['buyer'] }

t.test('several concurrent migrations create collections, indexes and stream', async (t) => {
  const [database, nats] = await Promise.all([freshDatabase(t), freshNats(t)])
  // Any of them may be first to create it. MongoDB handles that; its build for closed networks crashes.
  await database.db.createCollection('leases')
  const migrate = () => runProgram('command-api', 'migrate.js', [], { MONGODB_URI: database.uri, NATS_URL: nats.url })
  for (const { code, output } of await Promise.all(Array.from({ length: 4 }, migrate))) t.equal(code, 0, output)
  const indexes = await database.db.collection('users').indexes()
  t.strictSame(new Set(indexes.map(({ name }) => name)), new Set(['_id_', ...usersIndexes.map(({ name }) => name)]))
  t.match(
    indexes.find(({ name }) => name === 'email'),
    { unique: true },
  )
  const connection = await connect({ servers: nats.url })
  t.teardown(() => connection.close())
  const { streams } = await jetstreamManager(connection)
  t.match((await streams.info(usersStream.name)).config, { subjects: usersStream.subjects, storage: 'file' })
  t.match(await migrate(), { code: 0 })
})

t.test(
  'an index with the same name and another definition is not replaced, and its error code is reported',
  async (t) => {
    const [database, nats] = await Promise.all([freshDatabase(t), freshNats(t)])
    await database.db.collection('users').createIndex({ email: 1 }, { name: 'email' })
    const { code, output } = await runProgram('command-api', 'migrate.js', [], {
      MONGODB_URI: database.uri,
      NATS_URL: nats.url,
    })
    t.equal(code, 1)
    t.match(output, /IndexKeySpecsConflict|IndexOptionsConflict/)
  },
)

t.test('a migration needs no keys and names every wrong setting', async (t) => {
  const { code, output } = await runProgram('command-api', 'migrate.js', [], {
    MONGODB_URI: 'secret',
    STREAM_REPLICAS: '9',
  })
  t.equal(code, 1)
  t.match(output, /^invalid settings: (?=.*MONGODB_URI)(?=.*STREAM_REPLICAS).*\n$/)
  t.notMatch(output, /secret|JWT/)
})

t.test('a migration waits for servers that are not up yet', async (t) => {
  const database = await freshDatabase(t)
  const nats = await freshNats(t)
  await nats.server.stop()
  const migrating = runProgram('command-api', 'migrate.js', [], { MONGODB_URI: database.uri, NATS_URL: nats.url })
  const isTrying = async () => (await database.db.listCollections({ name: 'leases' }).toArray()).length === 1
  await eventually(isTrying)
  await nats.server.start()
  t.match(await migrating, { code: 0 })
})

t.test('before the migration nobody can register, and readiness names what is missing', async (t) => {
  const { send, database, nats, logs, replicaEnv } = await startCommandApi(
    t,
    { NATS_URL: unreachable },
    { isMigrated: false },
  )
  t.match(await send('GET', '/readyz'), {
    status: 503,
    body: {
      status: 'unready',
      checks: { mongodb: 'up', collections: 'down' },
      missing: everything,
    },
  })
  t.match(await send('POST', '/api/v1/auth/register', newcomer), { status: 503, body: { code: 'storage-unavailable' } })
  t.match(await runProgram('command-api', 'programs/create-admin.js', ['boss@example.com'], replicaEnv), {
    code: 1,
    output: /collection users.*migrate/,
  })
  t.match(await runProgram('command-api', 'migrate.js', [], { MONGODB_URI: database.uri, NATS_URL: nats.url }), {
    code: 0,
  })
  t.match(await send('POST', '/api/v1/auth/register', newcomer), { status: 201 })
  t.match(await send('GET', '/readyz'), { status: 200, body: { status: 'degraded', missing: undefined } })
  t.match(
    logs.filter(({ missing }) => missing),
    [{ level: 'error', missing: everything }],
  )
})

t.test('readiness names a missing stream, and commands work without it', async (t) => {
  const { send, nats, database } = await startCommandApi(t, {}, { isMigrated: false })
  await eventually(async () => {
    const { body } = await send('GET', '/readyz')
    return body.missing?.includes('stream USERS')
  })
  t.match(await runProgram('command-api', 'migrate.js', [], { MONGODB_URI: database.uri, NATS_URL: nats.url }), {
    code: 0,
  })
  await eventually(async () => (await send('GET', '/readyz')).body.status === 'ready')
})

t.test('streams that disappear while the process runs are recreated', async (t) => {
  const { newUser, nats, published, send } = await startCommandApi(t)
  await eventually(async () => (await send('GET', '/readyz')).body.status === 'ready')
  const connection = await connect({ servers: nats.url })
  t.teardown(() => connection.close())
  const { streams } = await jetstreamManager(connection)
  for (const { name } of [usersStream, deadLetterStream]) await streams.delete(name)
  const { user } = await newUser()
  t.match(await eventually(() => published(user.id, 'created')), { subject: user.id })
  t.ok(await eventually(() => streams.info(deadLetterStream.name)))
})
