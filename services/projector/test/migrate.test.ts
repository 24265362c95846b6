import { deadLetterStream, subjectOf, usersReadIndexes, usersStream } from '@cqrs/contracts'
import { eventually, freshDatabase, freshMail, freshNats, runProgram, startProcess } from '@cqrs/local-stack/testing'
import { ensureStream } from '@cqrs/service-kit'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t, { type Test } from 'tap'
import { startSystem } from './fixtures/system.ts'
import { created } from './fixtures/user-events.ts'

const durables = ['user_directory_v1', 'user_directory_v2', 'user_stats_v1', 'users_read_v1', 'welcome-email']

t.test('several concurrent migrations create collections, indexes, streams and consumers', async (t) => {
  const { database, settings, manager } = await nothing(t)
  // Any of them may be the first to make it. MongoDB lets one; its build for closed networks does not survive that.
  await database.db.createCollection('leases')
  const all = await Promise.all(Array.from({ length: 4 }, () => runMigrate(settings)))
  for (const { code, output } of all) t.equal(code, 0, output)
  const collections = await database.db
    .listCollections()
    .map(({ name }) => name)
    .toArray()
  t.strictSame(collections.sort(), [
    'followed',
    'leases',
    'operator_actions',
    'paused_consumers',
    'read_models',
    'user_directory_v2',
    'user_stats_v1',
    'users_read_v1',
    'welcome_emails',
  ])
  const indexes = await database.db.collection('users_read_v1').indexes()
  for (const { name } of usersReadIndexes)
    t.ok(
      indexes.some((index) => index.name === name),
      name,
    )
  const { streams, consumers } = manager
  t.match((await streams.info(usersStream.name)).config, {
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    max_bytes: 2 ** 30,
    max_age: 7 * 24 * 3_600 * 1e9,
  })
  t.match((await streams.info(deadLetterStream.name)).config, {
    storage: 'file',
    retention: 'limits',
    discard: 'old',
    max_bytes: 64 * 2 ** 20,
    max_age: 30 * 24 * 3_600 * 1e9,
  })
  const made = async () => (await consumers.list(usersStream.name).next()).map(({ name }) => name).sort()
  t.strictSame(await made(), durables)
  // Of an earlier release.
  await consumers.add(usersStream.name, { durable_name: 'dead-letter-erasure', ack_policy: 'explicit' })
  t.match(await runMigrate(settings), { code: 0 })
  t.strictSame(await made(), durables)
})

t.test(
  'before a migration the projector reports what is missing, and afterwards it works without a restart',
  async (t) => {
    const { settings } = await nothing(t)
    const { get, logs } = await startProcess(t, 'projector', settings)
    await eventually(async () => (await get('/readyz')).body.missing?.length === 12)
    const { status, body } = await get('/readyz')
    t.match(
      { status, body },
      { status: 503, body: { status: 'unready', checks: { collections: 'down', streams: 'down' } } },
    )
    t.strictSame(
      new Set(body.missing),
      new Set([
        ...[
          'followed',
          'leases',
          'operator_actions',
          'paused_consumers',
          'read_models',
          'user_directory_v1',
          'user_directory_v2',
          'user_stats_v1',
          'users_read_v1',
          'welcome_emails',
        ].map((name) => `collection ${name}`),
        'stream USERS',
        'stream USERS_DLQ',
      ]),
    )
    t.ok(logs.some(({ missing }) => (missing as string[])?.includes('stream USERS')))
    t.match(await runMigrate(settings), { code: 0 })
    await eventually(async () => (await get('/readyz')).body.status === 'ready')
  },
)

t.test('a migration of a stream that command-api has filled loses nothing', async (t) => {
  const { settings, manager, connection } = await nothing(t)
  await ensureStream(connection, usersStream, 1)
  for (let n = 0; n < 5; n++) await jetstream(connection).publish(subjectOf(created(n)), JSON.stringify(created(n)))
  t.match(await runMigrate(settings), { code: 0 })
  const messages = async () => (await manager.streams.info(usersStream.name)).state.messages
  t.equal(await messages(), 5, 'they wait for the projector')
  await startProcess(t, 'projector', settings)
  await eventually(
    async () => (await manager.consumers.info(usersStream.name, 'users_read_v1')).ack_floor.stream_seq === 5,
  )
})

t.test('a migration that wants more bytes than NATS has fails with the name of the setting', async (t) => {
  const { settings } = await nothing(t)
  const { code, output } = await runMigrate({ ...settings, STREAM_MAX_BYTES: String(2 ** 42) })
  t.equal(code, 1)
  t.match(output, /NATS has no 4398046511104 bytes for stream USERS: see STREAM_MAX_BYTES/)
})

t.test(
  'a running projector recreates lost consumers, and works on when command-api has put lost streams back',
  async (t) => {
    const { broker, projector, visible, nats, ...system } = await startSystem(t, { VERIFY_EVERY_SECONDS: '1' })
    const writeSide = system.writeSide()
    await writeSide.apply(created(1))
    await visible(1, 1)
    const connection = await connect({ servers: nats.url })
    t.teardown(() => connection.close())
    const { streams, consumers } = await jetstreamManager(connection)
    await consumers.delete(usersStream.name, 'users_read_v1')
    await writeSide.apply(created(2))
    await eventually(() => visible(2, 1))
    await streams.delete(usersStream.name)
    await streams.delete(deadLetterStream.name)
    await eventually(async () => (await projector.get('/readyz')).body.missing?.length === 2)
    for (const stream of [usersStream, deadLetterStream]) await ensureStream(connection, stream, 1)
    await writeSide.apply(created(3))
    await eventually(() => visible(3, 1))
    await eventually(async () => (await projector.get('/readyz')).body.status === 'ready')
  },
)

const runMigrate = (settings: NodeJS.ProcessEnv) => runProgram('projector', 'migrate.js', [], settings)

/** A database, a broker and a mail server in which nothing is set up. */
async function nothing(t: Test) {
  const [database, nats, mail] = await Promise.all([freshDatabase(t), freshNats(t), freshMail(t)])
  const connection = await connect({ servers: nats.url })
  t.teardown(() => connection.close())
  const settings = { MONGODB_READ_URI: database.uri, NATS_URL: nats.url, SMTP_URL: mail.url }
  return { database, settings, connection, manager: await jetstreamManager(connection) }
}
