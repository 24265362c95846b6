import { freshDatabase } from '@cqrs/local-stack/testing'
import { type Projection, ReadModel, Shapes, usersRead } from '@cqrs/projector'
import t from 'tap'
import { RebuildRecord } from '../src/operations/rebuild-record.ts'

const { db } = await freshDatabase(t)
const states = db.collection<{ _id: string; rebuild: { ownedUntil: Date } }>('read_models')
const endsIn = (name: string, ms: number) =>
  states.updateOne({ _id: name }, { $set: { 'rebuild.ownedUntil': new Date(Date.now() + ms) } })

const recordOf = (name: string) => new RebuildRecord(db, { ...usersRead, name })

t.test('a rebuild is taken over only when its owner is dead, by the database’s clock', async (t) => {
  const [owner, other] = [recordOf('people'), recordOf('people')]
  t.match(await owner.claim('people_1'), { collection: 'people_1', after: '' })
  const { now } = Date
  const clock = t.intercept(Date, 'now', { value: () => now() + 600_000 })
  t.equal(await other.claim('people_2'), undefined, 'a process with a fast clock does not take it over')
  await owner.keep()
  clock.restore()
  await endsIn('people', 5_000)
  t.equal(await other.claim('people_2'), undefined)
  await endsIn('people', -1)
  t.match(await other.claim('people_2'), { collection: 'people_1' }, 'it resumes where the owner stopped')
  await t.rejects(owner.keep(), /another process/)
})

t.test('an owner that claims to live longer than one can is dead', async (t) => {
  const [owner, other] = [recordOf('things'), recordOf('things')]
  await owner.claim('things_1')
  await endsIn('things', 600_000)
  t.match(await other.claim('things_2'), { collection: 'things_1' })
})

t.test('a rebuild that was left can be taken over at once', async (t) => {
  const [owner, other] = [recordOf('left'), recordOf('left')]
  await owner.claim('left_1')
  await owner.leave()
  t.match(await other.claim('left_2'), { collection: 'left_1' })
})

type Document = { _id: string; version: number; name: string }

const collection = db.collection<Document>('persons')
const persons: Projection = {
  ...(usersRead as unknown as Projection),
  name: 'persons',
  indexes: [{ name: 'by_name', key: { name: 1 } }],
}
const readModel = new ReadModel(db, persons)
const state = () => db.collection<any>('read_models').findOne({ _id: 'persons' })

t.test('a new collection that refuses a write does not stop the live one, and never becomes live', async (t) => {
  const record = new RebuildRecord(db, persons)
  t.match(await record.claim('persons_2'), { collection: 'persons_2' })
  await db.createCollection('persons_2', { validator: { name: { $ne: 'refused' } } })
  await record.writeAlso('persons_2')
  t.strictSame(await readModel.advance([{ _id: 'x', version: 1, name: 'fine' } as Document]), [])
  const [error] = await readModel.advance([{ _id: 'y', version: 1, name: 'refused' } as Document])
  t.match(error, { message: /^cannot write to persons_2: / })
  t.match(await collection.findOne({ _id: 'y' }), { name: 'refused' })
  t.match(await state(), { live: 'persons', written: ['persons'], retired: [{ collection: 'persons_2', at: Date }] })
  const abandoned = { message: /^the rebuild was abandoned: cannot write to persons_2: / }
  await t.rejects(record.progress({ after: 'y', filled: 2, total: 3 }), abandoned)
  await t.rejects(record.switch(), abandoned)
  t.strictSame(await readModel.advance([{ _id: 'z', version: 1, name: 'refused' } as Document]), [])
})

t.test('the live collection may not refuse: its events wait', async (t) => {
  await db.command({ collMod: 'persons', validator: { name: { $ne: 'refused' } } })
  await t.rejects(readModel.advance([{ _id: 'x', version: 2, name: 'refused' } as Document]), { code: 121 })
  t.match(await state(), { live: 'persons', written: ['persons'] })
  await db.command({ collMod: 'persons', validator: {} })
})

t.test('a rebuild can be abandoned while it runs, and another one begins', async (t) => {
  const record = new RebuildRecord(db, persons)
  await record.claim('persons_3')
  await record.writeAlso('persons_3')
  const operator = new RebuildRecord(db, persons)
  t.equal(await operator.claim('persons_4'), undefined, 'one rebuild at a time')
  t.equal(await operator.abandon(), 'persons_3')
  t.equal(await operator.abandon(), undefined)
  await t.rejects(record.keep(), { message: 'the rebuild was abandoned: by an operator' })
  await readModel.advanceIn('persons_3', [{ _id: 'x', version: 1 }])
  await new Shapes(db).retire(-1)
  const names = (await db.listCollections().toArray()).map(({ name }) => name)
  t.notOk(names.includes('persons_3'), 'its collection is dropped')
  t.match(await operator.claim('persons_4'), { collection: 'persons_4', after: '', filled: 0 })
  await operator.leave()
})

t.test('a rebuild is resumed by code that writes the same, otherwise it starts over', async (t) => {
  const claimed = await new RebuildRecord(db, persons).claim('persons_5')
  t.match(claimed, { collection: 'persons_4' })
  await db
    .collection<any>('read_models')
    .updateOne({ _id: 'persons' }, { $set: { 'rebuild.ownedUntil': new Date(0), 'rebuild.after': 'z' } })
  const same = new RebuildRecord(db, { ...persons, on: { ...persons.on } })
  t.match(await same.claim('persons_6'), { collection: 'persons_4', after: 'z' })
  await same.leave()
  const UserUpdated: typeof persons.on.UserUpdated = (event) => ({ ...persons.on.UserUpdated(event), initials: 'J' })
  const other = new RebuildRecord(db, { ...persons, on: { ...persons.on, UserUpdated } })
  t.match(await other.claim('persons_7'), { collection: 'persons_7', after: '' })
  t.match((await state()).retired, [{ collection: 'persons_4' }])
  await other.leave()
  const indexed = new RebuildRecord(db, { ...persons, indexes: [] })
  t.match(await indexed.claim('persons_8'), { collection: 'persons_8' })
})
