import { join } from 'node:path'
import { findMongod, startMongo, startReplicaSet } from '@cqrs/local-stack'
import { freePort } from '@cqrs/local-stack/testing'

/** The databases of a stack, of which this one is a replica set of three nodes. */
export async function startThreeNodes(dataDir: string, side: 'write' | 'read') {
  const mongod = await findMongod(() => {})
  const threeNodes = await startReplicaSet({ mongod, dataDir: join(dataDir, `mongodb-${side}`) })
  const other = await startMongo({
    name: 'mongodb-single',
    mongod,
    dataDir: join(dataDir, 'mongodb-single'),
    logDir: join(dataDir, 'logs'),
    port: await freePort(),
    users: [],
  })
  const setOf = (of: 'write' | 'read') => (of === side ? threeNodes : other)
  return {
    threeNodes,
    uris: { write: setOf('write').rootUri('users_write'), read: setOf('read').rootUri('users_read') },
    stop: async () => void (await Promise.all([threeNodes.kill(), other.server.kill()])),
  }
}
