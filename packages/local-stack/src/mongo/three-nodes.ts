import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ChildServer } from '../child-server.ts'
import { eventually } from '../eventually.ts'
import { freePort } from '../ports.ts'
import { secretIn } from '../secrets.ts'
import { mongoProcess, uri } from './mongo-server.ts'
import type { Mongod } from './mongod.ts'
import { isComplete, isMember, joinMembers, primaryOf } from './replica-set.ts'

export type ReplicaSet = {
  /** The connection string of the administrator, with all three nodes. */
  rootUri: (database: string) => string
  nodes: readonly ChildServer[]
  /** The current primary; waits for an election. */
  primary: () => Promise<ChildServer>
  /** Waits until all three nodes are running and in sync. */
  complete: () => Promise<void>
  /** Kills all nodes at the same time. */
  kill: () => Promise<void>
}

/** Starts a new replica set of three nodes on 127.0.0.1, with authentication, for tests that stop one of them. */
export async function startReplicaSet({ mongod, dataDir }: { mongod: Mongod; dataDir: string }): Promise<ReplicaSet> {
  const keyFile = join(dataDir, 'keyfile')
  await secretIn(keyFile)
  const root = { user: 'root', password: await secretIn(join(dataDir, 'root-password')) }
  const nodes = new Map<number, ChildServer>()
  for (const name of ['mongodb-1', 'mongodb-2', 'mongodb-3']) {
    const port = await freePort()
    const ready = () => isMember(port)
    await mkdir(join(dataDir, name, 'db'), { recursive: true })
    nodes.set(
      port,
      mongoProcess({ name, mongod, dataDir: join(dataDir, name), logDir: join(dataDir, 'logs'), port, keyFile, ready }),
    )
  }
  const ports = [...nodes.keys()]
  const primaryPort = () => eventually(async () => (await primaryOf(ports)) ?? false, { timeoutMs: 60_000 })
  const kill = async () => void (await Promise.all([...nodes.values()].map((node) => node.kill())))
  try {
    await Promise.all([...nodes.values()].map((node) => node.start()))
    await joinMembers(ports, root)
  } catch (error) {
    await kill()
    throw error
  }
  return {
    rootUri: (database) => uri(root, ports, database),
    nodes: [...nodes.values()],
    primary: async () => nodes.get(await primaryPort()) as ChildServer,
    complete: async () => {
      await eventually(async () => isComplete(await primaryPort(), root), { timeoutMs: 60_000, intervalMs: 200 })
    },
    kill,
  }
}
