import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import t from 'tap'
import { findMongod } from '../src/mongo/find-mongod.ts'
import { startMongo } from '../src/mongo/mongo-server.ts'
import type { MongoUser } from '../src/mongo/replica-set.ts'
import { freePort } from '../src/ports.ts'
import { freshDirectory } from '../src/testing/fresh-directory.ts'

t.setTimeout(120_000)

const unauthorized = { message: /not authorized/ }
const writer: MongoUser = { user: 'projector', password: 'one', roles: [{ role: 'readWrite', db: 'users_read' }] }
const reader: MongoUser = { user: 'query-api', password: 'two', roles: [{ role: 'read', db: 'users_read' }] }

t.test('a MongoDB server keeps data, users and rights after a stop, a kill and a change of the address', async (t) => {
  const dataDir = await freshDirectory(t)
  const mongod = await findMongod((line) => t.comment(line))
  const start = async (users: MongoUser[], host?: string) => {
    const options = { name: 'mongodb', mongod, dataDir, logDir: join(dataDir, 'logs'), port: await freePort(), users }
    const mongo = await startMongo({ ...options, ...(host && { host }) })
    t.teardown(() => mongo.server.kill())
    return mongo
  }

  const first = await start([writer, reader])
  const write = await connect(t, first.uriFor(writer, 'users_read'))
  await write
    .db()
    .collection('users')
    .insertOne({ name: 'kept' }, { writeConcern: { w: 'majority' } })
  const read = await connect(t, first.uriFor(reader, 'users_read'))
  t.equal(await read.db().collection('users').countDocuments(), 1)
  await t.rejects(read.db().collection('users').insertOne({}), unauthorized, 'a user with the role read cannot write')
  await t.rejects(write.db('users_write').collection('users').findOne(), unauthorized)
  await t.rejects(connect(t, first.uriFor({ ...reader, password: 'wrong' }, 'users_read')), { code: 18 })

  await first.server.kill()
  await first.server.start()
  const goesOn = write.db().collection('users').insertOne({ name: 'after the restart' })
  await t.resolves(goesOn, 'a connected client keeps working')
  t.equal(await read.db().collection('users').countDocuments(), 2)
  await first.server.stop()

  const second = await start([{ ...writer, roles: reader.roles }, reader], '127.0.0.2')
  t.match(second.rootUri(), /@127\.0\.0\.2:/)
  const demoted = await connect(t, second.uriFor(writer, 'users_read'))
  t.equal(await demoted.db().collection('users').countDocuments(), 2)
  await t.rejects(demoted.db().collection('users').insertOne({}), unauthorized, 'roles are updated')
  await second.server.stop()

  for (const file of ['keyfile', 'root-password']) t.equal((await stat(join(dataDir, file))).mode & 0o077, 0, file)
  t.match(await readFile(join(dataDir, 'logs/mongodb.log'), 'utf8'), /Waiting for connections/)
})

t.test('a wine prefix never updates itself under running servers', async (t) => {
  const { env } = await findMongod((line) => t.comment(line))
  if (!env.WINEPREFIX) return t.pass('the server needs no wine')
  t.equal(await readFile(join(env.WINEPREFIX, '.update-timestamp'), 'utf8'), 'disable\n')
})

async function connect(t: { teardown: (cleanUp: () => unknown) => unknown }, uri: string): Promise<MongoClient> {
  const client = new MongoClient(uri)
  t.teardown(() => client.close())
  return await client.connect()
}
