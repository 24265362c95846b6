import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type ChildServer, type ReplicaSet, type ServiceName, type Stack, startStack } from '@cqrs/local-stack'
import {
  asNatsAdmin,
  eventually,
  type FreshMail,
  freshDatabase,
  freshDirectory,
  freshMail,
  tokenMint,
} from '@cqrs/local-stack/testing'
import { type ConnectionOptions, connect, type NatsConnection } from '@nats-io/transport-node'
import { type Db, MongoClient } from 'mongodb'
import { buildRelease } from '../rolling/build-release.ts'
import { type Hosts, startHosts } from './hosts.ts'
import type { Acknowledged } from './load.ts'
import { type Random, randomFrom } from './random.ts'
import { startReplica } from './replica.ts'
import { startThreeNodes } from './three-nodes.ts'

/** The system of a scenario, and what its fault reaches of it. */
export type World = {
  /** The whole system on this machine, unless the scenario runs on hosts. */
  stack: Stack | undefined
  /** The system on hosts of its own, if the scenario runs on hosts. */
  hosts: Hosts | undefined
  dataDir: string
  random: Random
  write: Db
  read: Db
  nats: NatsConnection
  mail: FreshMail
  gateway: string
  /** Where the load sends commands. */
  baseUrls: string[]
  adminToken: string
  /** What clients were told, in every round. */
  acknowledged: Acknowledged
  /** Every process of these services. */
  processes: Record<'command-api' | 'projector', ChildServer[]>
  /** Every process of every service. */
  services: Service[]
  /** What the stack's own services have logged as a warning or an error. */
  warnings: string[]
  /** The database that has three nodes. */
  threeNodes: ReplicaSet | undefined
  /** Failures that a fault itself finds, in words, in addition to the checks after every fault. */
  wrong: string[]
  /** The folder of the earlier release. */
  earlierRelease: string | undefined
  /** The built copy that every service is of, if it is one. */
  copy: string | undefined
  /** Starts another process of a service, with the connections of the stack's own. It is killed at the end. */
  addReplica: (name: ServiceName, env?: Record<string, string>) => Promise<Service>
  onEnd: OnEnd
}

export type Service = { name: ServiceName; url: string; server: ChildServer }

export type Scenario = {
  name: string
  /** The number of rounds in the long form. */
  rounds: number
  /** Injects the fault and ends it, under load. */
  fault: (world: World, round: number, log: (line: string) => void) => Promise<void>
  /** Environment variables of single services. */
  env?: NonNullable<Parameters<typeof startStack>[0]['env']>
  /** Runs a second command-api and a second projector; both command-apis get commands. */
  twoOfEach?: true
  /** Projector and query-api are of this earlier release, built from the history of the repository. */
  release?: string
  /** This database is a replica set of three nodes. */
  threeNodes?: 'write' | 'read'
  /** Everything runs on hosts of its own, whose network can be cut. Needs root. */
  onHosts?: true
  /** Every service is of this built copy of the repository. */
  copy?: string
  /** Projectors are killed, so that an e-mail can be in the window that cannot be closed. */
  killsProjectors?: true
  /** NATS loses data, and with it registrations that nobody has received. */
  losesEvents?: true
  /** The scenario has database servers of its own, which it may kill. */
  ownDatabases?: true
}

type OnEnd = (cleanUp: () => Promise<unknown>) => void

/**
 * Starts the system of a scenario. The functions given to `onEnd` stop its parts, the last one first. A service or
 * server that ends by itself is a failure of the scenario.
 */
export async function startWorld(scenario: Scenario, seed: number, onEnd: OnEnd): Promise<World> {
  const world = await (scenario.onHosts ? startOnHosts : startHere)(scenario, seed, onEnd)
  const { services, stack, threeNodes, hosts } = world
  for (const server of [
    ...services.map(({ server }) => server),
    ...Object.values(stack?.servers ?? {}),
    ...(threeNodes?.nodes ?? []),
    ...(hosts?.read.nodes ?? []),
    ...(hosts?.brokers.map(({ server }) => server) ?? []),
  ])
    server.onCrash = (message) => world.wrong.push(message)
  return world
}

async function startOnHosts({ copy }: Scenario, seed: number, onEnd: OnEnd): Promise<World> {
  const hosts = await startHosts({ teardown: onEnd }, { adminEmail, release: copy })
  const { mail, uris, signingKeyFile } = hosts
  const connected = await connectTo(uris, { servers: uris.nats }, onEnd)
  const services = Object.values(hosts.services).flat()
  const serversOf = (name: ServiceName) => hosts.services[name].map(({ server }) => server)
  return {
    ...connected,
    stack: undefined,
    hosts,
    dataDir: '',
    random: randomFrom(seed),
    mail,
    gateway: hosts.gateway,
    baseUrls: hosts.services['command-api'].map(({ url }) => url),
    adminToken: await mintForAdmin(connected.write, signingKeyFile),
    acknowledged: new Map(),
    processes: { 'command-api': serversOf('command-api'), projector: serversOf('projector') },
    services: services.map(({ name, url, server }) => ({ name, url, server })),
    warnings: [],
    threeNodes: hosts.write,
    earlierRelease: undefined,
    copy,
    wrong: [],
    addReplica: () => Promise.reject(new Error('the system is on hosts')),
    onEnd,
  }
}

async function startHere(scenario: Scenario, seed: number, onEnd: OnEnd): Promise<World> {
  const dataDir = await freshDirectory({ teardown: onEnd })
  const mail = await freshMail({ teardown: onEnd })
  const threeNodes = scenario.threeNodes && (await startThreeNodes(dataDir, scenario.threeNodes))
  if (threeNodes) onEnd(() => threeNodes.stop())
  const shared = async () => (await freshDatabase({ teardown: onEnd })).uri
  const databases = threeNodes
    ? threeNodes.uris
    : scenario.ownDatabases
      ? undefined
      : { write: await shared(), read: await shared() }

  const env = {
    ...scenario.env,
    'command-api': { ...scenario.env?.['command-api'], ADMIN_EMAIL: adminEmail, ADMIN_PASSWORD: randomUUID() },
  }
  const earlier = scenario.release && (await buildRelease(scenario.release, await freshDirectory({ teardown: onEnd })))
  const { copy } = scenario
  const releases = earlier
    ? { projector: earlier, 'query-api': earlier }
    : copy
      ? { 'command-api': copy, projector: copy, 'query-api': copy }
      : {}
  const warnings: string[] = []
  const onLogLine = (line: string) => {
    if (/"level":"(warn|error|fatal)"/.test(line)) warnings.push(line)
  }
  const stack = await startStack({ dataDir, env, releases, databases, smtpUrl: mail.url, onLogLine })
  onEnd(() => stack.stop())
  const connected = await connectTo(stack.uris, asNatsAdmin(stack), onEnd)
  const world: World = {
    ...connected,
    stack,
    hosts: undefined,
    dataDir,
    random: randomFrom(seed),
    mail,
    gateway: stack.baseUrl,
    baseUrls: [stack.baseUrl],
    adminToken: await mintForAdmin(connected.write, join(dataDir, 'keys/signing-key.pem')),
    acknowledged: new Map(),
    processes: { 'command-api': [stack.servers['command-api']], projector: [stack.servers.projector] },
    services: (['command-api', 'projector', 'query-api'] as const).map((name) => ({
      name,
      url: `http://127.0.0.1:${stack.ports[name]}`,
      server: stack.servers[name],
    })),
    warnings,
    threeNodes: threeNodes ? threeNodes.threeNodes : undefined,
    earlierRelease: earlier,
    copy,
    wrong: [],
    async addReplica(name, more) {
      // The Windows build of MongoDB crashes when two processes create the same collection at the same time.
      await eventually(() => mail.mails.length > 0, { timeoutMs: 10_000 })
      const own = scenario.env?.[name]
      const replica = { name, ...(await startReplica(name, { dataDir, release: copy, env: { ...own, ...more } })) }
      onEnd(() => replica.server.kill())
      replica.server.onCrash = (message) => world.wrong.push(message)
      world.services.push(replica)
      return replica
    },
    onEnd,
  }
  if (scenario.twoOfEach) {
    await registerFirst(stack.baseUrl)
    await runTwoOfEach(world)
  }
  return world
}

/** Starts a second command-api and a second projector; both command-apis get commands. */
export async function runTwoOfEach(world: World): Promise<void> {
  for (const name of ['command-api', 'projector'] as const) {
    const { server, url } = await world.addReplica(name)
    world.processes[name].push(server)
    if (name === 'command-api') world.baseUrls.push(url)
  }
}

/** Runs one projector with these settings instead of those that run, and waits until it is ready. */
export async function replaceProjectors(world: World, env: Record<string, string>): Promise<void> {
  await Promise.all(world.processes.projector.map((projector) => projector.stop()))
  const { server, url } = await world.addReplica('projector', env)
  world.processes.projector = [server]
  await eventually(async () => (await fetch(`${url}/readyz`)).ok)
}

async function connectTo(uris: Record<'write' | 'read', string>, broker: ConnectionOptions, onEnd: OnEnd) {
  const clients = { write: new MongoClient(uris.write), read: new MongoClient(uris.read) }
  const nats = await connect({
    ...broker,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    ignoreAuthErrorAbort: true,
  })
  onEnd(() => Promise.all([clients.write.close(), clients.read.close(), nats.close()]))
  return { write: clients.write.db(), read: clients.read.db(), nats }
}

/**
 * A token that is valid for longer than one of command-api, so that the load needs no login for each user, and for any
 * version of the admin, also after a restore.
 */
async function mintForAdmin(write: Db, signingKeyFile: string): Promise<string> {
  const find = async () => (await write.collection('users').findOne({ email: adminEmail })) ?? false
  const admin = await eventually(find)
  const mint = tokenMint(signingKeyFile)
  return mint({ sub: String(admin._id), roles: ['admin'], ver: 2 ** 31 }, { expiresIn: 24 * 3600 * 1000 })
}

/** When its welcome e-mail has arrived, every collection exists. */
async function registerFirst(baseUrl: string): Promise<void> {
  await fetch(`${baseUrl}/api/v1/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'first@example.com', password: 'password123', name: 'First', roles: ['buyer'] }),
  })
}

const adminEmail = 'admin@example.com'

/** The stack's own process or server of this name. */
export function partOf({ stack }: World, name: keyof Stack['servers']): ChildServer {
  const server = stack?.servers[name]
  if (!server) throw new Error(`${name} was not started by this stack`)
  return server
}

/** A moment in which only the load does something. */
export const underLoad = ({ random }: World) => delay(random.between(200, 1_500))
