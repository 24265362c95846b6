import { MongoClient, MongoServerError } from 'mongodb'
import { eventually } from '../eventually.ts'
import { isListening } from '../ports.ts'

export type MongoUser = {
  user: string
  password: string
  roles: readonly { role: string; db: string }[]
}

type Credentials = Pick<MongoUser, 'user' | 'password'> & { authSource?: string }

export const replicaSetName = 'rs0'

/** Whether the server responds and, if its replica set exists, accepts writes. */
export async function isUsable(address: string): Promise<boolean> {
  // After a refused connection the driver waits half a second before it retries.
  if (!(await listens(address))) return false
  return withClient(address, undefined, async (client) => {
    const hello = await client.db('admin').command({ hello: 1 })
    return hello.isWritablePrimary === true || hello.isreplicaset === true
  })
}

/** Whether the server responds and is primary or secondary of its replica set, or has no replica set yet. */
export async function isMember(address: string): Promise<boolean> {
  if (!(await listens(address))) return false
  const { isWritablePrimary, secondary, isreplicaset } = await withClient(address, undefined, hello)
  return isWritablePrimary === true || secondary === true || isreplicaset === true
}

/** The address of the primary; waits for an election. */
export async function electedOf(addresses: readonly string[]): Promise<string> {
  // Each look takes three new connections, and the servers need the processor for their election.
  return eventually(async () => (await primaryOf(addresses)) ?? false, { timeoutMs: 60_000, intervalMs: 200 })
}

/** The address of the primary; undefined while there is none. */
async function primaryOf(addresses: readonly string[]): Promise<string | undefined> {
  const answers = addresses.map(async (address) => {
    const answer = await withClient(address, undefined, hello)
    if (answer.isWritablePrimary !== true) throw new Error(`${address} is not the primary`)
    return address
  })
  return await Promise.any(answers).catch(() => undefined)
}

const hello = (client: MongoClient) => client.db('admin').command({ hello: 1 })

/**
 * Makes one replica set of new servers, with a root user.
 * @param key the content of their key file, with which members authenticate: while there is no user, MongoDB lets only
 * local connections act without one, and the members may be on other hosts
 */
export async function joinMembers(addresses: readonly string[], root: Credentials, key: string): Promise<void> {
  const members = addresses.map((host, _id) => ({ _id, host }))
  const member = { user: '__system', password: key, authSource: 'local' }
  await withClient(addresses[0] as string, member, async (client) => {
    const admin = client.db('admin')
    await admin.command({ replSetInitiate: { _id: replicaSetName, members } })
    // A first election by itself begins after ten seconds. The others have to know of the set before they vote.
    await eventually(() => admin.command({ replSetStepUp: 1 }), { timeoutMs: 60_000, intervalMs: 200 })
  })
  const primary = await electedOf(addresses)
  await withClient(primary, member, (client) =>
    client.db('admin').command({ createUser: root.user, pwd: root.password, roles: ['root'] }),
  )
}

/** Whether every member is running, and none is more than a second behind the primary. */
export async function isComplete(primary: string, root: Credentials): Promise<boolean> {
  const status = await withClient(primary, root, (client) => client.db('admin').command({ replSetGetStatus: 1 }))
  const members: { stateStr: string; optimeDate: Date }[] = status.members
  const newest = Math.max(...members.map(({ optimeDate }) => optimeDate.getTime()))
  return members.every(
    ({ stateStr, optimeDate }) => /^(PRIMARY|SECONDARY)$/.test(stateStr) && newest - optimeDate.getTime() <= 1_000,
  )
}

/**
 * Makes the server a primary on which these users have exactly these roles and passwords. It works from any earlier
 * state and keeps what is already right: after a first start, a crash during a first start, or a change of the port.
 */
export async function prepareReplicaSet(
  address: string,
  root: Credentials,
  users: readonly MongoUser[],
): Promise<void> {
  await withClient(address, root, (client) => settle(client, address, users)).catch(async (error) => {
    if (!isServerError(error, authenticationFailed)) throw error
    await withClient(address, undefined, (client) => firstStart(client, address, root))
    await withClient(address, root, (client) => settle(client, address, users))
  })
}

// While no user exists, MongoDB lets a local connection create the replica set and the first user.
async function firstStart(client: MongoClient, host: string, { user, password }: Credentials): Promise<void> {
  const admin = client.db('admin')
  const config = { _id: replicaSetName, members: [{ _id: 0, host }] }
  await admin.command({ replSetInitiate: config }).catch(ignore(alreadyInitialized))
  await becomesPrimary(client)
  try {
    await admin.command({ createUser: user, pwd: password, roles: ['root'] })
  } catch (error) {
    if (!isServerError(error, unauthorized)) throw error
    throw new Error(
      'the data directory was created with another root password: restore the file root-password or remove the data',
    )
  }
}

async function settle(client: MongoClient, host: string, users: readonly MongoUser[]): Promise<void> {
  const admin = client.db('admin')
  const config = await client.db('local').collection('system.replset').findOne()
  if (config && config.members[0].host !== host) {
    config.version++
    config.members[0].host = host
    await admin.command({ replSetReconfig: config, force: true })
  }
  await becomesPrimary(client)
  for (const { user, password, roles } of users) {
    await admin
      .command({ createUser: user, pwd: password, roles })
      .catch(ignore(userExists))
      .then((created) => created ?? admin.command({ updateUser: user, pwd: password, roles }))
  }
}

async function becomesPrimary(client: MongoClient): Promise<void> {
  await eventually(async () => (await client.db('admin').command({ hello: 1 })).isWritablePrimary === true, {
    timeoutMs: 30_000,
  })
}

async function withClient<T>(
  address: string,
  credentials: Credentials | undefined,
  work: (client: MongoClient) => Promise<T>,
): Promise<T> {
  const client = new MongoClient(`mongodb://${address}/?directConnection=true`, {
    serverSelectionTimeoutMS: 2_000,
    ...(credentials && {
      auth: { username: credentials.user, password: credentials.password },
      authSource: credentials.authSource ?? 'admin',
    }),
  })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** Whether the server accepts connections. @param address `host:port` */
function listens(address: string): Promise<boolean> {
  const [host, port] = address.split(':')
  return isListening(Number(port), host)
}

const unauthorized = 13
const authenticationFailed = 18
const alreadyInitialized = 23
const userExists = 51003

function isServerError(error: unknown, code: number): boolean {
  return error instanceof MongoServerError && error.code === code
}

function ignore(code: number): (error: unknown) => undefined {
  return (error) => {
    if (!isServerError(error, code)) throw error
  }
}
