import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { findMongod, migrate, type NatsServer, type ReplicaSet, startNats, startReplicaSet } from '@cqrs/local-stack'
import {
  type FreshMail,
  freshDatabase,
  freshDirectory,
  freshMail,
  type Host,
  Network,
  type ServiceProcess,
  startProcess,
  type Teardown,
} from '@cqrs/local-stack/testing'
import { generateKeyFiles } from '@cqrs/service-kit'

/**
 * The system with hosts of its own for what a cut can separate: three nodes of the write database, three brokers and
 * two command-apis. The rest runs on this machine.
 */
export type Hosts = {
  network: Network
  /** Of the write database. */
  nodes: Host[]
  writeSet: ReplicaSet
  brokers: { host: Host; server: NatsServer['server']; monitor: string }[]
  commandApis: (ServiceProcess & { host: Host })[]
  projector: ServiceProcess
  queryApi: ServiceProcess
  mail: FreshMail
  signingKeyFile: string
  uris: { write: string; read: string; nats: string }
}

export async function startHosts(t: Teardown, { adminEmail }: { adminEmail: string }): Promise<Hosts> {
  const network = await Network.create(t)
  const nodes = await network.addHosts('m1', 'm2', 'm3')
  const brokerHosts = await network.addHosts('n1', 'n2', 'n3')
  const commandApiHosts = await network.addHosts('c1', 'c2')
  const dataDir = await freshDirectory(t)
  const [writeSet, brokers, mail, read, keys] = await Promise.all([
    startNodes(t, nodes, join(dataDir, 'mongodb')),
    startBrokers(t, brokerHosts, dataDir),
    freshMail(t),
    freshDatabase(t),
    generateKeyFiles(join(dataDir, 'keys')),
  ])
  const write = writeSet.rootUri('users_write')
  const urlOf = (broker: Host | undefined) => `nats://${broker?.address}:${clientPort}`
  const uris = { write, read: read.uri, nats: urlOf(brokerHosts[0]) }
  const settings = { STREAM_REPLICAS: '3', NATS_URL: uris.nats }
  await migrate({ name: 'command-api', own: { ...settings, MONGODB_URI: write }, settings: {} })
  await migrate({ name: 'projector', own: { ...settings, MONGODB_READ_URI: read.uri }, settings: {} })

  const { PATH, HOME } = process.env
  const shared = { PATH, HOME, ...settings, JWKS_FILE: keys.jwksFile }
  const ofCommandApi = {
    ...shared,
    MONGODB_URI: write,
    JWT_SIGNING_KEY_FILE: keys.signingKeyFile,
    PASSWORD_DENY_COMMON: 'off',
    RATE_LIMIT_REGISTER: '0',
    RATE_LIMIT_LOGIN: '0',
    RATE_LIMIT_CHANGE: '0',
    ADMIN_EMAIL: adminEmail,
    ADMIN_PASSWORD: randomUUID(),
  }
  const [first, second, projector, queryApi] = await Promise.all([
    ...commandApiHosts.map((on, i) =>
      startProcess(t, 'command-api', { ...ofCommandApi, NATS_URL: urlOf(brokerHosts[i]) }, { on }),
    ),
    startProcess(t, 'projector', {
      ...shared,
      MONGODB_READ_URI: read.uri,
      SMTP_URL: mail.url,
      VERIFY_EVERY_SECONDS: '5',
    }),
    startProcess(t, 'query-api', { ...shared, MONGODB_READ_URI: read.uri }),
  ] as const)
  const commandApis = [first, second].map((one, i) => ({
    ...(one as ServiceProcess),
    host: commandApiHosts[i] as Host,
  }))
  return {
    network,
    nodes,
    writeSet,
    brokers,
    commandApis,
    projector: projector as ServiceProcess,
    queryApi: queryApi as ServiceProcess,
    mail,
    signingKeyFile: keys.signingKeyFile,
    uris,
  }
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

async function startNodes(t: Teardown, hosts: Host[], dataDir: string): Promise<ReplicaSet> {
  const set = await startReplicaSet({ mongod: await findMongod(() => {}), dataDir, hosts })
  t.teardown(() => set.kill())
  return set
}

async function startBrokers(t: Teardown, hosts: Host[], dataDir: string): Promise<Hosts['brokers']> {
  const routes = hosts.map(({ address }) => `"nats://${address}:${routePort}"`).join(', ')
  return await Promise.all(
    hosts.map(async (host) => {
      const { name, address } = host
      const { server } = await startNats({
        dataDir: join(dataDir, name),
        logDir: join(dataDir, name),
        host: address,
        on: host,
        port: clientPort,
        configuration:
          `server_name: ${name}\nhttp: "${address}:${monitorPort}"\n` +
          `cluster { name: users, listen: "${address}:${routePort}", routes: [${routes}] }\n`,
      })
      t.teardown(() => server.kill())
      return { host, server, monitor: `http://${address}:${monitorPort}` }
    }),
  )
}
