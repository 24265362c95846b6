import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ChildServer } from '../child-server.ts'
import { eventually } from '../eventually.ts'
import type { Host } from '../hosts/network.ts'
import { freePort } from '../ports.ts'
import { secretIn } from '../secrets.ts'
import { mongoProcess, uri } from './mongo-server.ts'
import type { Mongod } from './mongod.ts'
import { electedOf, isComplete, isMember, joinMembers } from './replica-set.ts'

export type ReplicaSet = {
  /** The connection string of the administrator, with all three nodes. */
  rootUri: (database: string) => string
  nodes: readonly ChildServer[]
  /** The current primary; waits for an election. */
  primary: () => Promise<ChildServer>
  /** The host of the current primary, if the nodes are on hosts of their own. */
  primaryHost: () => Promise<Host | undefined>
  /** Waits until all three nodes are running and in sync. */
  complete: () => Promise<void>
  /** Kills all nodes at the same time. */
  kill: () => Promise<void>
}

/**
 * Starts a new replica set of three nodes, with authentication, for tests that stop one of them.
 * @param options.mongod of all nodes, or of each
 * @param options.hosts where each node runs; default: all on 127.0.0.1
 */
export async function startReplicaSet({ mongod, dataDir, hosts = [] }: Options): Promise<ReplicaSet> {
  const keyFile = join(dataDir, 'keyfile')
  const key = await secretIn(keyFile)
  const root = { user: 'root', password: await secretIn(join(dataDir, 'root-password')) }
  const nodes = new Map<string, ChildServer>()
  const hostOf = new Map<string, Host>()
  for (const i of [0, 1, 2]) {
    const name = `mongodb-${i + 1}`
    const on = hosts[i]
    const host = on?.address ?? '127.0.0.1'
    const port = await freePort()
    const address = `${host}:${port}`
    const ready = () => isMember(address)
    const directories = { dataDir: join(dataDir, name), logDir: join(dataDir, 'logs') }
    await mkdir(join(dataDir, name, 'db'), { recursive: true })
    const shared = ([mongod].flat()[i] ?? mongod) as Mongod
    const own = on && shared.apart ? await shared.apart(join(dataDir, name, 'wine')) : shared
    nodes.set(address, mongoProcess({ name, mongod: own, ...directories, host, on, port, keyFile, ready }))
    if (on) hostOf.set(address, on)
  }
  const addresses = [...nodes.keys()]
  const primaryAddress = () => electedOf(addresses)
  const kill = async () => void (await Promise.all([...nodes.values()].map((node) => node.kill())))
  try {
    await Promise.all([...nodes.values()].map((node) => node.start()))
    await joinMembers(addresses, root, key)
  } catch (error) {
    await kill()
    throw error
  }
  return {
    rootUri: (database) => uri(root, addresses, database),
    nodes: [...nodes.values()],
    primary: async () => nodes.get(await primaryAddress()) as ChildServer,
    primaryHost: async () => hostOf.get(await primaryAddress()),
    complete: async () => {
      await eventually(async () => isComplete(await primaryAddress(), root), { timeoutMs: 60_000, intervalMs: 200 })
    },
    kill,
  }
}

type Options = { mongod: Mongod | readonly Mongod[]; dataDir: string; hosts?: readonly Host[] }
