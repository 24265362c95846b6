import { MongoClient, MongoServerError } from 'mongodb'
import { eventually } from '../eventually.ts'
import { isListening } from '../ports.ts'

export type MongoUser = {
  user: string
  password: string
  roles: readonly { role: string; db: string }[]
}

type Credentials = Pick<MongoUser, 'user' | 'password'>

export const replicaSetName = 'rs0'

/** Whether the server answers and, where its replica set exists, can be written to. */
export async function isUsable(port: number): Promise<boolean> {
  // Where a first connection is refused the driver waits half a second before it tries again.
  if (!(await isListening(port))) return false
  return withClient(port, undefined, async (client) => {
    const hello = await client.db('admin').command({ hello: 1 })
    return hello.isWritablePrimary === true || hello.isreplicaset === true
  })
}

/** Whether the server answers and has found its place in its replica set, or there is none yet. */
export async function isMember(port: number): Promise<boolean> {
  if (!(await isListening(port))) return false
  const { isWritablePrimary, secondary, isreplicaset } = await withClient(port, undefined, hello)
  return isWritablePrimary === true || secondary === true || isreplicaset === true
}

/** The port of the member that takes writes; undefined while none does. */
export async function primaryOf(ports: readonly number[]): Promise<number | undefined> {
  const answers = ports.map(async (port) => {
    const answer = await withClient(port, undefined, hello)
    if (answer.isWritablePrimary !== true) throw new Error(`${port} is not the primary`)
    return port
  })
  return await Promise.any(answers).catch(() => undefined)
}

const hello = (client: MongoClient) => client.db('admin').command({ hello: 1 })

/** Makes one replica set of new servers, with one user who may do everything. */
export async function joinMembers(ports: readonly number[], root: Credentials): Promise<void> {
  const members = ports.map((port, _id) => ({ _id, host: hostOf(port) }))
  await withClient(ports[0] as number, undefined, (client) =>
    client.db('admin').command({ replSetInitiate: { _id: replicaSetName, members } }),
  )
  const primary = await eventually(async () => (await primaryOf(ports)) ?? false, { timeoutMs: 60_000 })
  await withClient(primary, undefined, (client) =>
    client.db('admin').command({ createUser: root.user, pwd: root.password, roles: ['root'] }),
  )
}

/** Whether every member is there, and none is more than a second behind the primary. */
export async function isComplete(primary: number, root: Credentials): Promise<boolean> {
  const status = await withClient(primary, root, (client) => client.db('admin').command({ replSetGetStatus: 1 }))
  const members: { stateStr: string; optimeDate: Date }[] = status.members
  const newest = Math.max(...members.map(({ optimeDate }) => optimeDate.getTime()))
  return members.every(
    ({ stateStr, optimeDate }) => /^(PRIMARY|SECONDARY)$/.test(stateStr) && newest - optimeDate.getTime() <= 1_000,
  )
}

/**
 * Makes the server a primary that has exactly these users' roles and passwords. Needs no earlier state and changes
 * none that is right: a first start, a crash during a first start and another port than last time all end well.
 */
export async function prepareReplicaSet(port: number, root: Credentials, users: readonly MongoUser[]): Promise<void> {
  await withClient(port, root, (client) => settle(client, port, users)).catch(async (error) => {
    if (!isServerError(error, authenticationFailed)) throw error
    await withClient(port, undefined, (client) => firstStart(client, port, root))
    await withClient(port, root, (client) => settle(client, port, users))
  })
}

// As long as there is no user, MongoDB lets a local connection set up the replica set and the first user.
async function firstStart(client: MongoClient, port: number, { user, password }: Credentials): Promise<void> {
  const admin = client.db('admin')
  const config = { _id: replicaSetName, members: [{ _id: 0, host: hostOf(port) }] }
  await admin.command({ replSetInitiate: config }).catch(ignore(alreadyInitialized))
  await becomesPrimary(client)
  try {
    await admin.command({ createUser: user, pwd: password, roles: ['root'] })
  } catch (error) {
    if (!isServerError(error, unauthorized)) throw error
    throw new Error(
      'the data directory belongs to another root password: restore the file root-password or remove the data',
    )
  }
}

async function settle(client: MongoClient, port: number, users: readonly MongoUser[]): Promise<void> {
  const admin = client.db('admin')
  const config = await client.db('local').collection('system.replset').findOne()
  if (config && config.members[0].host !== hostOf(port)) {
    config.version++
    config.members[0].host = hostOf(port)
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
  port: number,
  credentials: Credentials | undefined,
  work: (client: MongoClient) => Promise<T>,
): Promise<T> {
  const client = new MongoClient(`mongodb://${hostOf(port)}/?directConnection=true`, {
    serverSelectionTimeoutMS: 2_000,
    ...(credentials && { auth: { username: credentials.user, password: credentials.password } }),
  })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

function hostOf(port: number): string {
  return `127.0.0.1:${port}`
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
