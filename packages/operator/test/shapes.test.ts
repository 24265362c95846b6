import { readModelsCollection, usersStream } from '@cqrs/contracts'
import { eventually, freshDatabase, freshNats } from '@cqrs/local-stack/testing'
import { consumerConfig, createResources, Shapes } from '@cqrs/projector'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import t from 'tap'
import { created, updated, userId } from '../../../services/projector/test/fixtures/user-events.ts'
import { switchShape } from '../src/operations/switch-shape.ts'
import { startSystem } from './fixtures/system.ts'

t.test('a new read model is live in its latest shape, and one from before shapes keeps its collection', async (t) => {
  const { db } = await freshDatabase(t)
  const { url } = await freshNats(t)
  const nats = await connect({ servers: url })
  t.teardown(() => nats.close())
  const states = db.collection<any>(readModelsCollection)
  await db.collection<any>('users_read').insertOne({ _id: userId(1), version: 1 })
  await states.insertOne({ _id: 'user_stats', live: 'user_stats_20261101', written: ['user_stats_20261101'] })
  // As a release left it that knew one shape of it.
  await states.insertMany([
    { _id: 'user_directory', shape: 1, since: new Date() },
    { _id: 'user_directory_v1', live: 'user_directory_v1', written: ['user_directory_v1'], filledAt: new Date() },
  ])
  for (let n = 0; n < 2; n++) await createResources(db, nats, 1)
  const stateOf = (_id: string) => states.findOne({ _id })
  t.match(await stateOf('users_read'), { shape: 1, since: Date })
  t.match(await stateOf('users_read_v1'), { live: 'users_read', written: ['users_read'], filledAt: Date })
  t.match(await stateOf('user_stats'), { shape: 1, live: 'user_stats_20261101' }, 'older processes read on')
  t.match(await stateOf('user_stats_v1'), { live: 'user_stats_20261101', filledAt: Date })
  t.match(await stateOf('user_directory'), { shape: 1 }, 'nobody has filled the other one')
  t.match(await stateOf('user_directory_v2'), { live: 'user_directory_v2', written: ['user_directory_v2'] })
  t.notOk((await stateOf('user_directory_v2')).filledAt)
  const indexes = await db.collection('users_read').indexes()
  t.ok(indexes.some(({ name }) => name === 'newest'))
})

t.test('an operator switches queries to a shape that a newer release fills, back, and drops one', async (t) => {
  const { broker, cli, database, nats, ...system } = await startSystem(t, { VERIFY_EVERY_SECONDS: '1' })
  const { db } = database
  const writeSide = system.writeSide()
  const { consumers } = await jetstreamManager(broker.nats)
  // What the newer release's migrate creates.
  const newer = 'users_read_v2'
  await consumers.add(usersStream.name, consumerConfig({ durable: newer, filterSubjects: ['users.*.created'] }))
  const states = db.collection<any>(readModelsCollection)
  await states.insertOne({ _id: newer, live: `${newer}_1`, written: [`${newer}_1`] })
  await db.collection(`${newer}_1`).insertOne({ version: 1 })
  const live = async () => (await states.findOne({ _id: 'users_read' })).shape

  t.match(await cli('shape', 'switch', newer), {
    code: 1,
    stderr: `error: ${newer} is not filled: npm run projector -- rebuild ${newer}\n`,
  })
  await states.updateOne({ _id: newer }, { $set: { filledAt: new Date() } })
  await writeSide.apply(created(1))
  await broker.allHandledBy('users_read_v1')
  const listed = await cli('shape', 'list')
  t.equal(listed.code, 0)
  t.match(listed.stdout, /^users_read_v1 {2}live {2}1 documents in users_read_v1, 0 events to handle$/m)
  t.match(
    listed.stdout,
    /^users_read_v2 {2}filled {2}1 documents in users_read_v2_1, 1 events to handle {2}not filled by this/m,
  )

  let looks = 0
  broker.nats.subscribe(`$JS.API.CONSUMER.INFO.${usersStream.name}.${newer}`, { callback: () => void looks++ })
  const hasLookedAgain = async () => {
    const before = looks
    await eventually(() => looks > before + 2)
  }
  const switching = cli('shape', 'switch', newer)
  await hasLookedAgain()
  t.ok((await broker.consumer('users_read_v1')).paused)
  t.equal(await live(), 1, 'it waits until the newer shape has what the live one has')
  // As a projector does that finds its consumer paused: the live shape gets another event.
  await writeSide.apply(created(2))
  await eventually(async () => {
    await consumers.resume(usersStream.name, 'users_read_v1')
    return (await system.users.findOne({ _id: userId(2) })) ?? false
  })
  await (await broker.next(newer, { expires: 1_000 }))?.ackAck()
  await hasLookedAgain()
  t.equal(await live(), 1, 'it waits for that event as well')
  await (await broker.next(newer, { expires: 1_000 }))?.ackAck()
  t.match(await switching, {
    code: 0,
    stdout: /^users_read: queries read shape 2; before, 1 \(switched in \d+ ms\)\n$/,
  })
  t.equal(await live(), 2)
  t.notOk((await broker.consumer('users_read_v1')).paused)
  await writeSide.apply(updated(1, 2))
  await broker.allHandledBy('users_read_v1')
  t.match(await cli('shape', 'switch', newer), { code: 1, stderr: /is live already/ })
  t.match(await cli('shape', 'drop', newer), { code: 1, stderr: /is live: switch/ })

  t.match(await cli('shape', 'rollback', 'users_read'), { code: 0, stdout: /shape 1; before, 2 / })
  t.equal(await live(), 1)

  await cli('pause', 'users_read_v1')
  t.match(await cli('shape', 'switch', newer), { code: 0 })
  t.match(await broker.consumer('users_read_v1'), { paused: true }, 'what an operator has paused stays so')
  await cli('resume', 'users_read_v1')
  t.match(await cli('shape', 'rollback', 'users_read'), { code: 0 })
  t.match(await cli('shape', 'drop', newer), { code: 0 })
  await t.rejects(broker.consumer(newer), { message: /consumer not found/ }, 'it no longer holds events')
  t.match((await cli('shape', 'list')).stdout, /^users_read_v2 .* dropped/m)
  await states.updateOne({ _id: newer }, { $set: { 'retired.$[].at': new Date(0) } })
  await eventually(async () => !(await db.listCollections({ name: `${newer}_1` }).hasNext()))
  t.match(await cli('shape', 'rollback', 'users_read'), { code: 1, stderr: /is not filled/ })
})

t.test('a shape that was replaced a week ago is dropped, though this release knows it', async (t) => {
  const { broker, cli, database, ...system } = await startSystem(t, { VERIFY_EVERY_SECONDS: '1' })
  const states = database.db.collection<any>(readModelsCollection)
  const writeSide = system.writeSide()
  await writeSide.apply(created(1))
  await system.visible(1, 1)
  await states.insertOne({
    _id: 'users_read_v2',
    live: 'users_read_v2',
    written: ['users_read_v2'],
    filledAt: new Date(),
  })
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)
  const shapes = new Shapes(database.db)
  await states.updateOne({ _id: 'users_read' }, { $set: { shape: 2, before: 1, since: daysAgo(6) } })
  await shapes.dropReplaced(7 * 86_400_000)
  t.match(await states.findOne({ _id: 'users_read_v1' }), { written: ['users_read_v1'] }, 'not yet')
  await states.updateOne({ _id: 'users_read' }, { $set: { since: daysAgo(8) } })
  await eventually(async () => (await states.findOne({ _id: 'users_read_v1' })).written.length === 0)
  t.match(await states.findOne({ _id: 'users_read_v1' }), { retired: [{ collection: 'users_read_v1' }] })
  await writeSide.apply(created(2))
  await broker.allHandledBy('users_read_v1')
  t.equal(await system.users.countDocuments(), 1, 'it is no longer written, and holds up no events')
  t.match(await cli('verify'), { code: 0, stdout: /^(?!users_read)/ })
  t.match(await cli('rebuild', 'users_read_v1'), { code: 0 }, 'it can be filled again')
  t.match(await states.findOne({ _id: 'users_read_v1' }), { filledAt: Date, written: [/^users_read_v1_\d{17}$/] })
})

t.test('a shape that does not catch up does not become live', async (t) => {
  const shapes = {
    live: async () => ({ shape: 1 }),
    of: async () => [{ shape: 2, filledAt: new Date() }],
    switch: async () => t.fail('it is switched'),
  } as unknown as Shapes
  const consumers = { whenLevel: async () => false } as unknown as Parameters<typeof switchShape>[0]['consumers']
  await t.rejects(switchShape({ shapes, consumers }, 'users_read', 2), {
    message: /^users_read_v2 is behind users_read_v1/,
  })
  await t.rejects(switchShape({ shapes, consumers }, 'users_read', 3), { message: /^users_read_v3 does not exist/ })
})
