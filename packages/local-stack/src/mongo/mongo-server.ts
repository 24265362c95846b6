import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ChildServer } from '../child-server.ts'
import { isFree } from '../ports.ts'
import { secretIn } from '../secrets.ts'
import type { Mongod } from './mongod.ts'
import { isUsable, type MongoUser, prepareReplicaSet, replicaSetName } from './replica-set.ts'

export type MongoOptions = {
  /** Names the server in messages, and its log file. */
  name: string
  mongod: Mongod
  /** Holds the data and the secrets of the server between runs. */
  dataDir: string
  logDir: string
  port: number
  /** Where it listens, and its address in the replica set; default: 127.0.0.1. */
  host?: string
  /** Each exists with this password and exactly these roles after the start. */
  users: readonly MongoUser[]
}

export type MongoServer = {
  server: ChildServer
  /** The connection string of the administrator, with or without a database. */
  rootUri: (database?: string) => string
  /** The connection string of a user for this database. */
  uriFor: (user: MongoUser, database: string) => string
}

/** Starts a replica set of one node, with authentication, and waits until it accepts reads and writes. */
export async function startMongo({ users, ...options }: MongoOptions): Promise<MongoServer> {
  const { dataDir, port, host = '127.0.0.1' } = options
  const address = `${host}:${port}`
  const keyFile = join(dataDir, 'keyfile')
  await mkdir(join(dataDir, 'db'), { recursive: true })
  await secretIn(keyFile)
  const root = { user: 'root', password: await secretIn(join(dataDir, 'root-password')) }
  const server = mongoProcess({ ...options, keyFile, ready: () => isUsable(address) })
  await server.start()
  try {
    await prepareReplicaSet(address, root, users)
  } catch (error) {
    await server.stop()
    throw error
  }
  return {
    server,
    rootUri: (database = '') => uri(root, [address], database),
    uriFor: (user, database) => uri(user, [address], database),
  }
}

/** One member of a replica set, not started. Its directory `db` must exist. */
export function mongoProcess(options: MemberOptions): ChildServer {
  const { name, mongod, dataDir, logDir, port, host = '127.0.0.1', keyFile, ready } = options
  return new ChildServer({
    name,
    command: mongod.command,
    args: [...mongod.args, ...mongodOptions(join(dataDir, 'db'), keyFile, host, port)],
    env: mongod.env,
    cwd: dataDir,
    output: join(logDir, `${name}.log`),
    ready,
    // Under wine the sockets of a killed process belong to wineserver, which closes them later.
    isClear: () => isFree(port, host),
    // The only signal that the Windows build handles; other builds treat it like SIGTERM.
    stopSignal: 'SIGINT',
  })
}

type MemberOptions = Omit<MongoOptions, 'users'> & { keyFile: string; ready: () => Promise<boolean> }

function mongodOptions(dbpath: string, keyFile: string, host: string, port: number): string[] {
  const options = {
    bind_ip: host,
    port: String(port),
    dbpath,
    keyFile,
    replSet: replicaSetName,
    // By default each server takes half of the memory and 5 % of the disk.
    wiredTigerCacheSizeGB: '0.25',
    oplogSize: '256',
    // A projector that is killed in a transaction leaves it open, and others wait for it this long (default: 60 s).
    setParameter: 'transactionLifetimeLimitSeconds=10',
  }
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
}

/**
 * A connection string. With `replicaSet` the driver waits for the election after a restart; with `directConnection` it
 * would use the server in any state, and writes would fail until it is primary again.
 */
export function uri(
  { user, password }: { user: string; password: string },
  addresses: readonly string[],
  database: string,
): string {
  return `mongodb://${user}:${password}@${addresses.join(',')}/${database}?authSource=admin&replicaSet=${replicaSetName}`
}
