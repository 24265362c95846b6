import { MongoClient } from 'mongodb'
import t from 'tap'
import { findMongod } from '../src/mongo/find-mongod.ts'
import { startReplicaSet } from '../src/mongo/three-nodes.ts'
import { freshDirectory } from '../src/testing/fresh-directory.ts'

t.setTimeout(120_000)

t.test('a set of three nodes survives a kill of its primary, which joins again', async (t) => {
  const set = await startReplicaSet({
    mongod: await findMongod((line) => t.comment(line)),
    dataDir: await freshDirectory(t),
  })
  t.teardown(() => set.kill())
  const client = await new MongoClient(set.rootUri('things')).connect()
  t.teardown(() => client.close())
  const things = client.db().collection('things')
  await things.insertOne({ name: 'kept' }, { writeConcern: { w: 'majority' } })

  const killed = await set.primary()
  await killed.kill()
  t.not((await set.primary()).name, killed.name, 'another node is elected')
  t.equal(await things.countDocuments(), 1)
  await things.insertOne({ name: 'meanwhile' }, { writeConcern: { w: 'majority' } })

  await killed.start()
  await set.complete()
  t.equal(await things.countDocuments(), 2)
})
