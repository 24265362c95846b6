import { join } from 'node:path'
import { findMongod, startMongo, startReplicaSet } from '@cqrs/local-stack'
import { freePort } from '@cqrs/local-stack/testing'

/** The databases of a stack whose write database is a replica set of three nodes. */
export async function startThreeNodes(dataDir: string) {
  const mongod = await findMongod(() => {})
  const writeSet = await startReplicaSet({ mongod, dataDir: join(dataDir, 'mongodb') })
  const read = await startMongo({
    name: 'mongodb-read',
    mongod,
    dataDir: join(dataDir, 'mongodb-read'),
    logDir: join(dataDir, 'logs'),
    port: await freePort(),
    users: [],
  })
  return {
    writeSet,
    uris: { write: writeSet.rootUri('users_write'), read: read.rootUri('users_read') },
    stop: async () => void (await Promise.all([writeSet.kill(), read.server.kill()])),
  }
}
