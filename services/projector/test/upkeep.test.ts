import { eventually, freshDatabase } from '@cqrs/local-stack/testing'
import t from 'tap'
import { startSystem } from './fixtures/system.ts'
import { updated, userId } from './fixtures/user-events.ts'

const database = await freshDatabase(t)
const { db } = database
const settings = { VERIFY_EVERY_SECONDS: '1' }
const { broker, cli, projector, replica, users, visible, ...system } = await startSystem(t, settings, database)
const writeSide = system.writeSide()
await writeSide.apply(...Array.from({ length: 20 }, (_, n) => updated(n, 2)))
await broker.allHandledBy('user_stats_v1')
const replicas = [projector, await replica()]
const metrics = () => Promise.all(replicas.map(({ metrics }) => metrics()))
const comparing = async () =>
  (await metrics()).map((text) => /^projector_compared_timestamp_seconds\{read_model="user_stats_v1"\}/m.test(text))

t.test('one replica repairs differences without an operator', async (t) => {
  await users.deleteOne({ _id: userId(1) })
  await users.updateOne({ _id: userId(2) }, { $set: { version: 1 } })
  await visible(1, 2)
  await visible(2, 2)
  await eventually(async () => (await comparing()).includes(true))
  writeSide.forget()
  await eventually(() => writeSide.asked('digest').length >= 8)
  t.strictSame((await comparing()).filter(Boolean).length, 1, 'the other replica leaves it to this one')
  const logs = replicas.flatMap(({ logs }) => logs.filter(({ msg }) => /differed from the write side/.test(msg)))
  t.match(logs[0], { level: 'warn', read_model: 'users_read_v1', differences: Number, published: Number })
})

t.test('metrics count differences, including those that cannot be repaired', async () => {
  await users.updateOne({ _id: userId(3) }, { $set: { version: 9 } })
  await eventually(async () =>
    /^projector_differences\{read_model="users_read_v1",kind="ahead"\} 1$/m.test((await metrics()).join()),
  )
  await writeSide.apply(updated(3, 10))
  await eventually(async () =>
    /^projector_differences\{read_model="users_read_v1",kind="ahead"\} 0$/m.test((await metrics()).join()),
  )
})

t.test('more orphans than the brake allows are reported, and nobody is deleted', async (t) => {
  const known = await users.findOne({ _id: userId(5) })
  const orphans = Array.from({ length: 12 }, (_, n) => userId(n).replace('-3b5e-', '-3b5d-'))
  if (known) await users.insertMany(orphans.map((_id) => ({ ...known, _id })))
  const held = /^projector_deletions_held\{read_model="users_read_v1"\} 12$/m
  await eventually(async () => held.test((await metrics()).join()))
  t.equal(await users.countDocuments({ _id: { $in: orphans }, deletedAt: { $exists: false } } as object), 12)
  const logs = replicas.flatMap(({ logs }) => logs.filter(({ msg }) => /the repair deletes nobody/.test(msg)))
  t.match(logs[0], { level: 'error', read_model: 'users_read_v1', users: 12 })
  await users.deleteMany({ _id: { $in: orphans } })
})

t.test('the answers of another write database are refused, and /readyz says so', async (t) => {
  const { identity } = writeSide
  const { writeDatabase } = identity
  const ready = async () => JSON.stringify(await Promise.all(replicas.map(({ get }) => get('/readyz'))))
  await users.deleteOne({ _id: userId(6) })
  identity.writeDatabase = 'another'
  await eventually(async () => /"degraded".*"write side":"down"/.test(await ready()))
  t.match((await metrics()).join(), /^projector_foreign_write_side 1$/m)
  const logs = replicas.flatMap(({ logs }) =>
    logs.filter(({ err }) => /projector -- follow another/.test(Object(err).message)),
  )
  t.match(logs[0], { level: 'error', msg: 'cannot compare the read model with the write side' })
  identity.writeDatabase = writeDatabase
  await visible(6, 2)
  await eventually(async () => !/degraded/.test(await ready()))
})

t.test('a retired collection is first no longer written, then dropped', async (t) => {
  const states = db.collection<{ _id: string; live: string; written: string[] }>('read_models')
  const state = () => states.findOne({ _id: 'users_read_v1' })
  t.match(await cli('rebuild', 'users_read_v1'), { code: 0 })
  const live = (await state())?.live as string
  t.strictSame((await state())?.written, [live, 'users_read_v1'])

  const retiredFor = (seconds: number) =>
    states.updateOne({ _id: 'users_read_v1' }, {
      $set: { 'retired.0.at': new Date(Date.now() - seconds * 1_000) },
    } as object)
  const collections = async () => (await db.listCollections().toArray()).map(({ name }) => name)
  await retiredFor(61)
  await eventually(async () => (await state())?.written.length === 1)
  t.ok((await collections()).includes('users_read_v1'))
  await retiredFor(121)
  await eventually(async () => !(await collections()).includes('users_read_v1'))
  await eventually(async () => JSON.stringify(await state()).includes('"retired":[]'))
  t.ok((await collections()).includes(live))

  await writeSide.apply(updated(4, 3))
  await eventually(async () => (await db.collection<{ _id: string }>(live).countDocuments({ version: 3 })) === 1)
  t.notOk((await collections()).includes('users_read_v1'), 'nobody brings it back')
})

t.test('when the replica that compares is stopped, the other takes over', async (t) => {
  const index = (await comparing()).indexOf(true)
  const [stopped] = replicas.splice(index, 1)
  t.match(await stopped?.terminate(), 'exit code 0')
  await eventually(async () => (await comparing())[0])
})
