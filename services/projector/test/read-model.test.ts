import { freshDatabase } from '@cqrs/local-stack/testing'
import { ensureCollections } from '@cqrs/service-kit'
import t from 'tap'
import type { Projection } from '../src/projections/projection.ts'
import { usersRead } from '../src/projections/users-read.ts'
import { ReadModel } from '../src/read-store/read-model.ts'
import { RebuildRecord } from '../src/read-store/rebuild-record.ts'
import { Shapes } from '../src/read-store/shapes.ts'

type Document = { _id: string; version: number; name: string }

const database = await freshDatabase(t)
const collection = database.db.collection<Document>('people')
const people: Projection = {
  ...(usersRead as unknown as Projection),
  name: 'people',
  indexes: [{ name: 'by_name', key: { name: 1 } }],
}
const readModel = new ReadModel(database.db, people)

t.test('a document is replaced as a whole, and only by a higher version', async (t) => {
  const write = (document: object) => readModel.advance([document as Document])
  await write({ _id: 'a', version: 2, name: 'two', nick: 'deux' })
  await write({ _id: 'a', version: 1, name: 'one' })
  await write({ _id: 'a', version: 2, name: 'two again' })
  t.strictSame(await collection.findOne({ _id: 'a' }), { _id: 'a', version: 2, name: 'two', nick: 'deux' })
  await write({ _id: 'a', version: 3, name: 'three' })
  t.strictSame(await collection.findOne({ _id: 'a' }), { _id: 'a', version: 3, name: 'three' })
})

t.test('a stored value is never evaluated as an expression', async (t) => {
  await readModel.advance([{ _id: 'b', version: 1, name: '$version' } as Document])
  t.match(await collection.findOne({ _id: 'b' }), { name: '$version' })
})

t.test('it lists its collections and their indexes, for migrate', async (t) => {
  await ensureCollections(database.db, await readModel.collections())
  t.match(await collection.indexes(), [{ name: '_id_' }, { name: 'by_name', key: { name: 1 } }])
})

t.test('concurrent inserts of the same documents do not fail, and the highest version wins', async (t) => {
  // A filter on the version in place of the comparison within the update fails here with duplicate keys.
  const writers = [3, 8, 1, 6, 4, 7, 2, 5]
  for (let round = 0; round < 10; round++) {
    const ids = Array.from({ length: 10 }, (_, i) => `${round}-${i}`)
    const versionOf = (version: number) => ids.map((_id) => ({ _id, version }))
    await Promise.all(writers.map((version) => readModel.advance(versionOf(version))))
    const stored = await collection.find({ _id: { $in: ids } }).toArray()
    t.strictSame(
      stored.map(({ version }) => version),
      ids.map(() => 8),
    )
  }
})

t.test('a batch can contain new, newer and older documents', async (t) => {
  const named = (name: string, version: number, prefix: string): Document => ({
    _id: `${prefix}-${name}`,
    version,
    name,
  })
  const batch = (prefix: string) => [
    named('first', 1, prefix),
    named('third', 3, prefix),
    named('there', 1, prefix),
    named('older', 2, prefix),
  ]
  for (const write of [
    (documents: Document[]) => readModel.advance(documents),
    (documents: Document[]) => readModel.advanceIn('people', documents, { isEmpty: true }),
  ]) {
    const prefix = crypto.randomUUID()
    await write([{ ...named('there', 5, prefix), name: 'kept' }, named('older', 1, prefix)])
    await write(batch(prefix))
    await write(batch(prefix))
    const stored = await collection.find({ _id: { $regex: `^${prefix}` } }).toArray()
    t.strictSame(stored.map(({ name, version }) => `${name} ${version}`).sort(), [
      'first 1',
      'kept 5',
      'older 2',
      'third 3',
    ])
  }
})

t.test('an empty page writes nothing', async (t) => {
  await t.resolves(readModel.advanceIn('people', []))
})

const state = () => database.db.collection<any>('read_models').findOne({ _id: 'people' })

t.test('a new collection that refuses a write does not stop the live one, and never becomes live', async (t) => {
  const record = new RebuildRecord(database.db, people)
  t.match(await record.claim('people_2'), { collection: 'people_2' })
  await database.db.createCollection('people_2', { validator: { name: { $ne: 'refused' } } })
  await record.writeAlso('people_2')
  t.strictSame(await readModel.advance([{ _id: 'x', version: 1, name: 'fine' } as Document]), [])
  const [error] = await readModel.advance([{ _id: 'y', version: 1, name: 'refused' } as Document])
  t.match(error, { message: /^cannot write to people_2: / })
  t.match(await collection.findOne({ _id: 'y' }), { name: 'refused' })
  t.match(await state(), { live: 'people', written: ['people'], retired: [{ collection: 'people_2', at: Date }] })
  const abandoned = { message: /^the rebuild was abandoned: cannot write to people_2: / }
  await t.rejects(record.progress({ after: 'y', filled: 2, total: 3 }), abandoned)
  await t.rejects(record.switch(), abandoned)
  t.strictSame(await readModel.advance([{ _id: 'z', version: 1, name: 'refused' } as Document]), [])
})

t.test('the live collection may not refuse: its events wait', async (t) => {
  await database.db.command({ collMod: 'people', validator: { name: { $ne: 'refused' } } })
  await t.rejects(readModel.advance([{ _id: 'x', version: 2, name: 'refused' } as Document]), { code: 121 })
  t.match(await state(), { live: 'people', written: ['people'] })
  await database.db.command({ collMod: 'people', validator: {} })
})

t.test('a rebuild can be abandoned while it runs, and another one begins', async (t) => {
  const record = new RebuildRecord(database.db, people)
  await record.claim('people_3')
  await record.writeAlso('people_3')
  const operator = new RebuildRecord(database.db, people)
  t.equal(await operator.claim('people_4'), undefined, 'one rebuild at a time')
  t.equal(await operator.abandon(), 'people_3')
  t.equal(await operator.abandon(), undefined)
  await t.rejects(record.keep(), { message: 'the rebuild was abandoned: by an operator' })
  await readModel.advanceIn('people_3', [{ _id: 'x', version: 1 }])
  await new Shapes(database.db).retire(-1)
  const names = (await database.db.listCollections().toArray()).map(({ name }) => name)
  t.notOk(names.includes('people_3'), 'its collection is dropped')
  t.match(await operator.claim('people_4'), { collection: 'people_4', after: '', filled: 0 })
  await operator.leave()
})

t.test('a rebuild is resumed by code that writes the same, otherwise it starts over', async (t) => {
  const claimed = await new RebuildRecord(database.db, people).claim('people_5')
  t.match(claimed, { collection: 'people_4' })
  await database.db
    .collection<any>('read_models')
    .updateOne({ _id: 'people' }, { $set: { 'rebuild.ownedUntil': new Date(0), 'rebuild.after': 'z' } })
  const same = new RebuildRecord(database.db, { ...people, on: { ...people.on } })
  t.match(await same.claim('people_6'), { collection: 'people_4', after: 'z' })
  await same.leave()
  const UserUpdated: typeof people.on.UserUpdated = (event) => ({ ...people.on.UserUpdated(event), initials: 'J' })
  const other = new RebuildRecord(database.db, { ...people, on: { ...people.on, UserUpdated } })
  t.match(await other.claim('people_7'), { collection: 'people_7', after: '' })
  t.match((await state()).retired, [{ collection: 'people_4' }])
  await other.leave()
  const indexed = new RebuildRecord(database.db, { ...people, indexes: [] })
  t.match(await indexed.claim('people_8'), { collection: 'people_8' })
})
