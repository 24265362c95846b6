import { join } from 'node:path'
import type { ChildServer } from '../child-server.ts'
import type { Log } from '../log.ts'
import { findMongod } from '../mongo/find-mongod.ts'
import { startMongo } from '../mongo/mongo-server.ts'
import type { Mongod } from '../mongo/mongod.ts'
import { secretIn } from '../secrets.ts'
import type { Ports } from './ports.ts'

/** Connection strings of databases that are already running. */
export type GivenDatabases = {
  write: string
  read: string
}

/** The database of one side, with the connection string of each service that may use it. */
export type Database<Service extends string> = {
  uris: Record<Service, string>
  /** The connection string of the administrator, for tests. */
  rootUri: string
  /** Absent if the connection string was given. */
  server?: ChildServer
}

/** The databases named by MONGODB_URI and MONGODB_READ_URI; undefined if neither is set. @throws if only one is set */
export function readGivenDatabases({ MONGODB_URI, MONGODB_READ_URI }: NodeJS.ProcessEnv): GivenDatabases | undefined {
  if (MONGODB_URI && MONGODB_READ_URI) return { write: MONGODB_URI, read: MONGODB_READ_URI }
  if (!MONGODB_URI && !MONGODB_READ_URI) return undefined
  throw new Error('set both MONGODB_URI and MONGODB_READ_URI, or neither')
}

type Place = {
  dataDir: string
  logDir: string
  ports: Ports
}

/** Starts both databases. Each has its own promise, so that its users do not wait for the other. */
export function startDatabases(place: Place, given: GivenDatabases | undefined, log: Log) {
  if (given) {
    const { write, read } = given
    return {
      write: Promise.resolve<Database<'command-api'>>({ rootUri: write, uris: { 'command-api': write } }),
      read: Promise.resolve<Database<'projector' | 'query-api'>>({
        rootUri: read,
        uris: { projector: read, 'query-api': read },
      }),
    }
  }
  const mongod = findMongod(log).then((found) => {
    log(found.description)
    return found
  })
  return {
    write: startDatabase(place, mongod, 'mongodb', 'users_write', { 'command-api': 'readWrite' }),
    read: startDatabase(place, mongod, 'mongodb-read', 'users_read', { projector: 'readWrite', 'query-api': 'read' }),
  }
}

async function startDatabase<Service extends string>(
  { dataDir, logDir, ports }: Place,
  mongod: Promise<Mongod>,
  name: 'mongodb' | 'mongodb-read',
  database: string,
  rights: Record<Service, 'read' | 'readWrite'>,
): Promise<Database<Service>> {
  const users = await Promise.all(
    (Object.keys(rights) as Service[]).map(async (service) => ({
      user: service,
      password: await secretIn(join(dataDir, 'secrets', service)),
      roles: [{ role: rights[service], db: database }],
    })),
  )
  const { server, rootUri, uriFor } = await startMongo({
    name,
    mongod: await mongod,
    dataDir: join(dataDir, name),
    logDir,
    port: ports[name],
    users,
  })
  const uris = Object.fromEntries(users.map((user) => [user.user, uriFor(user, database)])) as Record<Service, string>
  return { server, rootUri: rootUri(database), uris }
}
