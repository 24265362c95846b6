import { freshDatabase } from '@cqrs/local-stack/testing'
import { ensureCollections } from '@cqrs/service-kit'
import t from 'tap'
import type { Projection } from '../src/projections/projection.ts'
import { usersRead } from '../src/projections/users-read.ts'
import { ReadModel } from '../src/read-store/read-model.ts'

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
