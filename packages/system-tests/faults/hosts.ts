import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  buildGateway,
  findMongod,
  type Mongod,
  migrate,
  type NatsServer,
  type ReplicaSet,
  type ServiceName,
  startNats,
  startReplicaSet,
} from '@cqrs/local-stack'
import {
  type AdjustableClock,
  adjustableClock,
  type FreshMail,
  freePort,
  freshDirectory,
  freshMail,
  type Host,
  Network,
  type ServiceProcess,
  startProcess,
  type Teardown,
} from '@cqrs/local-stack/testing'
import { createLogger, generateKeyFiles } from '@cqrs/service-kit'

/** A process on a host of its own. */
export type OnHost = ServiceProcess & { name: ServiceName; host: Host; clock?: AdjustableClock }

/** Three nodes of a database, each on a host of its own. */
export type Nodes = ReplicaSet & { side: 'write' | 'read'; hosts: Host[]; clock: AdjustableClock }

export type Broker = { host: Host; server: NatsServer['server']; monitor: string; dataDir: string }

/**
 * The system on hosts of their own: three nodes of each database, three brokers, two command-apis, two projectors, and
 * three query-apis, the last of which reads from secondaries. Gateway and mail server run on this machine.
 */
export type Hosts = {
  network: Network
  write: Nodes
  read: Nodes
  brokers: (Broker & Pick<NatsServer, 'reconfigure'>)[]
  services: Record<ServiceName, OnHost[]>
  /** The address of the gateway to the first process of each service. */
  gateway: string
  mail: FreshMail
  signingKeyFile: string
  uris: { write: string; read: string; nats: string }
}

/** @param options.release the folder of another built release, or of a copy with a planted bug */
export async function startHosts(
  t: Teardown,
  { adminEmail, release }: { adminEmail: string; release?: string | undefined },
): Promise<Hosts> {
  const network = await Network.create(t)
  const hosts = {
    write: await network.addHosts('m1', 'm2', 'm3'),
    read: await network.addHosts('r1', 'r2', 'r3'),
    brokers: await network.addHosts('n1', 'n2', 'n3'),
    'command-api': await network.addHosts('c1', 'c2'),
    projector: await network.addHosts('p1', 'p2'),
    'query-api': await network.addHosts('q1', 'q2', 'q3'),
  }
  const dataDir = await freshDirectory(t)
  const [write, read, brokers, mail, keys] = await Promise.all([
    startNodes(t, 'write', hosts.write, dataDir),
    startNodes(t, 'read', hosts.read, dataDir),
    startBrokers(t, hosts.brokers, dataDir),
    freshMail(t, { host: network.machine.address }),
    generateKeyFiles(join(dataDir, 'keys')),
  ])
  const uris = {
    write: write.rootUri('users_write'),
    read: read.rootUri('users_read'),
    nats: natsUrl(hosts.brokers[0] as Host),
  }
  const shared = { STREAM_REPLICAS: '3', NATS_URL: uris.nats }
  const ofCommandApi = { ...shared, MONGODB_URI: uris.write }
  const ofReadSide = { ...shared, MONGODB_READ_URI: uris.read }
  await migrate({ name: 'command-api', own: ofCommandApi, settings: {} })
  await migrate({ name: 'projector', own: ofReadSide, settings: {} })

  const { PATH, HOME } = process.env
  const settings: Record<ServiceName, Record<string, string>> = {
    'command-api': {
      ...ofCommandApi,
      JWKS_FILE: keys.jwksFile,
      JWT_SIGNING_KEY_FILE: keys.signingKeyFile,
      PASSWORD_DENY_COMMON: 'off',
      RATE_LIMIT_REGISTER: '0',
      RATE_LIMIT_LOGIN: '0',
      RATE_LIMIT_REFRESH: '0',
      RATE_LIMIT_CHANGE: '0',
      ADMIN_EMAIL: adminEmail,
      ADMIN_PASSWORD: randomUUID(),
    },
    projector: { ...ofReadSide, SMTP_URL: mail.url, VERIFY_EVERY_SECONDS: '5' },
    'query-api': { ...ofReadSide, JWKS_FILE: keys.jwksFile },
  }
  /** The last process of each service has a clock that can be set. */
  const start = (name: ServiceName) =>
    hosts[name].map(async (host, i): Promise<OnHost> => {
      const isLast = i === hosts[name].length - 1
      const clock = isLast ? await adjustableClock(join(dataDir, `${host.name}.clock`)) : undefined
      const env = {
        ...{ PATH, HOME, ...settings[name], ...clock?.env },
        NATS_URL: natsUrl(hosts.brokers[i % 3] as Host),
        ...(name === 'query-api' && isLast && { READ_PREFERENCE: 'secondaryPreferred' }),
      }
      const process = await startProcess(t, name, env, { on: host, release })
      return { ...process, name, host, ...(clock && { clock }) }
    })
  const started = async (name: ServiceName) => await Promise.all(start(name))
  const [commandApis, projectors, queryApis] = await Promise.all([
    started('command-api'),
    started('projector'),
    started('query-api'),
  ])
  const services = { 'command-api': commandApis, projector: projectors, 'query-api': queryApis }
  return {
    ...{ network, write, read, brokers, mail, uris, services },
    gateway: await startGateway(t, services),
    signingKeyFile: keys.signingKeyFile,
  }
}

/** The gateway runs on this machine, as the clients do. */
async function startGateway(t: Teardown, services: Hosts['services']): Promise<string> {
  const urlOf = (name: ServiceName) => services[name][0]?.url ?? ''
  const gateway = buildGateway(
    { 'command-api': urlOf('command-api'), 'query-api': urlOf('query-api'), projector: urlOf('projector') },
    createLogger('gateway', 'silent'),
  )
  const url = await gateway.listen({ host: '127.0.0.1', port: await freePort() })
  t.teardown(() => gateway.close())
  return url
}

/** The host of the broker that leads the stream of events. */
export async function leaderOf({ brokers }: Hosts, stream: string): Promise<Host> {
  const answers = brokers.map(async ({ monitor }) => {
    const response = await fetch(`${monitor}/jsz?streams=true`, { signal: AbortSignal.timeout(2_000) })
    const { account_details = [] } = (await response.json()) as Jsz
    const found = account_details.flatMap(({ stream_detail = [] }) => stream_detail).find(({ name }) => name === stream)
    const leader = brokers.find(({ host }) => host.name === found?.cluster?.leader)
    if (!leader) throw new Error(`${stream} has no leader`)
    return leader.host
  })
  return await Promise.any(answers)
}

type Jsz = { account_details?: { stream_detail?: { name: string; cluster?: { leader?: string } }[] }[] }

const clientPort = 4222
const monitorPort = 8222
const routePort = 6222
const natsUrl = ({ address }: Host): string => `nats://${address}:${clientPort}`

/** The first node has a clock that can be set. */
async function startNodes(t: Teardown, side: Nodes['side'], hosts: Host[], dataDir: string): Promise<Nodes> {
  const found = await findMongod(() => {})
  const clock = await adjustableClock(join(dataDir, `${hosts[0]?.name}.clock`))
  const withClock = (mongod: Mongod): Mongod => ({ ...mongod, env: { ...mongod.env, ...clock.env } })
  const mongods = hosts.map((_, i): Mongod => {
    if (i > 0) return found
    const { apart } = found
    return { ...withClock(found), ...(apart && { apart: async (directory) => withClock(await apart(directory)) }) }
  })
  const directory = join(dataDir, `mongodb-${side}`)
  await mkdir(directory)
  const set = await startReplicaSet({ mongod: mongods, dataDir: directory, hosts })
  t.teardown(() => set.kill())
  return { ...set, side, hosts, clock }
}

async function startBrokers(t: Teardown, hosts: Host[], dataDir: string): Promise<Hosts['brokers']> {
  const routes = hosts.map(({ address }) => `"nats://${address}:${routePort}"`).join(', ')
  return await Promise.all(
    hosts.map(async (host) => {
      const { name, address } = host
      const own = join(dataDir, name)
      const cluster =
        `server_name: ${name}\nhttp: "${address}:${monitorPort}"\n` +
        `cluster { name: users, listen: "${address}:${routePort}", routes: [${routes}] }\n`
      const { server, reconfigure } = await startNats({
        ...{ dataDir: own, logDir: own, host: address, on: host, port: clientPort, configuration: cluster },
      })
      t.teardown(() => server.kill())
      return {
        ...{ host, server, monitor: `http://${address}:${monitorPort}`, dataDir: own },
        reconfigure: (more: string) => reconfigure(cluster + more),
      }
    }),
  )
}
