import { randomBytes } from 'node:crypto'
import { type Db, MongoClient } from 'mongodb'
import type { Teardown } from './teardown.ts'

export type FreshDatabase = {
  /** The connection string of the administrator for this database. */
  uri: string
  name: string
  client: MongoClient
  db: Db
}

/**
 * An empty database for this test only, on the server that TEST_MONGODB_URI names. Dropped when the test ends. The
 * client reads what a majority has, like the services: what a test has seen, a service sees.
 */
export async function freshDatabase(t: Teardown): Promise<FreshDatabase> {
  if (!process.env.TEST_MONGODB_URI) {
    throw new Error('TEST_MONGODB_URI is not set: run the tests with `npm test`, which starts the servers they need')
  }
  const name = `test_${randomBytes(6).toString('hex')}`
  const uri = new URL(process.env.TEST_MONGODB_URI)
  uri.pathname = name
  uri.searchParams.set('authSource', uri.searchParams.get('authSource') ?? 'admin')
  const client = await new MongoClient(uri.href, { readConcern: { level: 'majority' } }).connect()
  const db = client.db(name)
  t.teardown(async () => {
    await db.dropDatabase()
    await client.close()
  })
  return { uri: uri.href, name, client, db }
}
