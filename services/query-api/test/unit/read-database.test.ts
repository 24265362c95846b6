import { Refusal } from '@cqrs/contracts'
import {
  type Db,
  type Document,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  Timestamp,
} from 'mongodb'
import t from 'tap'
import { ReadDatabase } from '../../src/read-store/read-database.ts'

const failed = (code: number) => new MongoServerError({ message: 'failed', code })
const [behind, invalid, snapshotTooOld, badValue] = [failed(50), failed(72), failed(239), failed(2)]
const cut = new MongoNetworkError('cut')
const seen = new Map([['this one', 5n]])

t.test('a failure that passes is tried once more, at the primary if a member may lag', async (t) => {
  for (const error of [cut, snapshotTooOld, failed(189), behind]) {
    const { read, did } = database([error])
    t.equal(await read(seen), 7n)
    t.strictSame(did, ['aggregate secondaryPreferred 500', 'aggregate primaryPreferred 5000'])
  }
  const { read } = database([cut, cut])
  await t.rejects(read(seen), cut)
})

t.test('other failures are not, nor the lack of a server, which has been waited for', async (t) => {
  for (const error of [badValue, failed(13), new MongoServerSelectionError('none', {} as never)]) {
    const { read, did } = database([error])
    await t.rejects(read(seen), error)
    t.strictSame(did, ['aggregate secondaryPreferred 500'])
  }
})

t.test('if no member reaches what the client has seen, the read model is behind', async (t) => {
  const { read } = database([behind, behind])
  await t.rejects(read(seen), new Refusal('read-model-behind'))
  const without = database([behind, behind])
  await t.rejects(without.read(), behind)
})

t.test('a time of which a member has not heard is one that the primary knows, or never was', async (t) => {
  const known = database([invalid], 5n)
  t.equal(await known.read(seen), 7n)
  t.strictSame(known.did, ['aggregate secondaryPreferred 500', 'hello primary', 'aggregate primaryPreferred 5000'])
  const future = database([invalid], 4n)
  await t.rejects(future.read(seen), { code: 'validation-failed' })
})

/** Fails with these errors, one after the other, and then answers. */
function database(errors: Error[], primaryTime = 0n) {
  const did: string[] = []
  const left = [...errors]
  const db = {
    listCollections: () => ({ toArray: async () => [{ info: { uuid: 'this one' } }] }),
    command: async (command: Document, { readPreference }: { readPreference: string }) => {
      did.push([Object.keys(command)[0], readPreference, command['maxTimeMS']].filter(Boolean).join(' '))
      if (command['hello']) return { $clusterTime: { clusterTime: new Timestamp(primaryTime) } }
      const error = left.shift()
      if (error) throw error
      return { cursor: { firstBatch: [], atClusterTime: new Timestamp(7n) } }
    },
  } as unknown as Db
  const reading = new ReadDatabase(db, 'secondaryPreferred')
  const read = (times?: typeof seen) =>
    reading.at({ seen: times }, async (moment) => {
      await moment.live()
      return moment.time
    })
  return { did, read }
}
