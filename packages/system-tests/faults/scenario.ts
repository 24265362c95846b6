import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { type ChildServer, type ReplicaSet, type Stack, startStack } from '@cqrs/local-stack'
import {
  eventually,
  type FreshMail,
  freshDatabase,
  freshDirectory,
  freshMail,
  tokenMint,
} from '@cqrs/local-stack/testing'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type Db, MongoClient } from 'mongodb'
import { lostCommands, untilWhole } from './comparison.ts'
import { type Hosts, startHosts } from './hosts.ts'
import { type Acknowledged, startLoad } from './load.ts'
import { type Random, randomFrom } from './random.ts'
import { startReplica } from './replica.ts'
import { startThreeNodes } from './three-nodes.ts'

/** One row of the report. */
export type Outcome = {
  scenario: string
  rounds: number
  acknowledged: number
  /** Acknowledged commands that the write model does not contain, and why. */
  lost: string[]
  /** Differences that remained after the timeout of a round. */
  differing: string[]
  /** Users that received more than one welcome e-mail. */
  doubled: string[]
  /** Existing users that received none, although no crash explains it. */
  unwelcomed: string[]
  /**
   * Those that received none because a projector was killed between handing over the e-mail and the response of the
   * mail server, or because NATS lost the registration: what docs/reliability.md states.
   */
  inTheWindow: string[]
  /** Other failures of a scenario. */
  wrong: string[]
  /** The longest time from the end of a fault until the read model was complete again. */
  longestRecoveryMs: number
}

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
  /** Every process of these services. */
  processes: Record<'command-api' | 'projector', ChildServer[]>
  /** The write database, if it has three nodes. */
  writeSet: ReplicaSet | undefined
  /** Failures that a fault itself finds, in words, in addition to the checks after every fault. */
  wrong: string[]
}

export type Scenario = {
  name: string
  /** The number of rounds in the long form. */
  rounds: number
  /** Injects the fault and ends it, under load. */
  fault: (world: World, round: number) => Promise<void>
  /** Environment variables of single services. */
  env?: NonNullable<Parameters<typeof startStack>[0]['env']>
  /** Runs a second command-api and a second projector; both command-apis get commands. */
  twoOfEach?: true
  /** The write database is a replica set of three nodes. */
  threeNodes?: true
  /** Databases, brokers and command-apis run on hosts of their own, whose network can be cut. Needs root. */
  onHosts?: true
  /** Projectors are killed, so that an e-mail can be in the window that cannot be closed. */
  killsProjectors?: true
  /** NATS loses its data, and with it registrations that nobody has received. */
  losesEvents?: true
  /** The scenario has database servers of its own, which it may kill. */
  ownDatabases?: true
}

/**
 * Runs rounds of one fault on its own system, under load, and compares both sides document by document after each
 * round.
 */
export async function runScenario(
  scenario: Scenario,
  { rounds, seed, log }: { rounds: number; seed: number; log: (line: string) => void },
): Promise<Outcome> {
  const { name } = scenario
  const cleanUps: (() => Promise<unknown>)[] = []
  try {
    const start = scenario.onHosts ? startWorldOnHosts : startWorld
    const { world, baseUrls, adminToken } = await start(scenario, seed, (cleanUp) => cleanUps.unshift(cleanUp))
    const acknowledged: Acknowledged = new Map()
    const differing: string[] = []
    let commands = 0
    let longestRecoveryMs = 0
    for (let round = 1; round <= rounds; round++) {
      const load = startLoad({ baseUrls, adminToken, clients: 4, random: randomFrom(seed + round) })
      await scenario.fault(world, round)
      await load.stop()
      for (const [id, state] of load.acknowledged) acknowledged.set(id, state)
      commands += load.counts.acknowledged
      const whole = await untilWhole(world.write, world.read, 90_000)
      differing.push(...whole.differing)
      longestRecoveryMs = Math.max(longestRecoveryMs, whole.ms)
      const answers = [...load.statuses].map(([status, count]) => `${status}: ${count}`).join(', ')
      log(`${name} ${round}/${rounds}: ${answers}; ${whole.differing.length} differ after ${Math.round(whole.ms)} ms`)
    }
    const lost = await lostCommands(world.write, acknowledged)
    const welcome = await welcomes(world, acknowledged, scenario)
    return {
      scenario: name,
      rounds,
      acknowledged: commands,
      lost,
      differing,
      ...welcome,
      wrong: world.wrong,
      longestRecoveryMs,
    }
  } finally {
    for (const cleanUp of cleanUps) await cleanUp()
  }
}

type OnEnd = (cleanUp: () => Promise<unknown>) => void

/** Starts the system of a scenario on hosts. */
async function startWorldOnHosts(_scenario: Scenario, seed: number, onEnd: OnEnd) {
  const hosts = await startHosts({ teardown: onEnd }, { adminEmail })
  const { mail, commandApis, projector, uris, signingKeyFile } = hosts
  const connected = await connectTo(uris, onEnd)
  const world: World = {
    ...connected,
    stack: undefined,
    hosts,
    dataDir: '',
    random: randomFrom(seed),
    mail,
    processes: { 'command-api': commandApis.map(({ server }) => server), projector: [projector.server] },
    writeSet: hosts.writeSet,
    wrong: [],
  }
  return { world, baseUrls: commandApis.map(({ url }) => url), adminToken: await mintForAdmin(world, signingKeyFile) }
}

/** Starts the system of a scenario. The functions given to `onEnd` stop its parts, the last one first. */
async function startWorld(scenario: Scenario, seed: number, onEnd: OnEnd) {
  const dataDir = await freshDirectory({ teardown: onEnd })
  const mail = await freshMail({ teardown: onEnd })
  const threeNodes = scenario.threeNodes && (await startThreeNodes(dataDir))
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
    projector: { ...scenario.env?.projector, SMTP_URL: mail.url },
  }
  const stack = await startStack({ dataDir, env, databases })
  onEnd(() => stack.stop())
  const processes = { 'command-api': [stack.servers['command-api']], projector: [stack.servers.projector] }
  const baseUrls = [stack.baseUrl]
  if (scenario.twoOfEach) {
    // The Windows build of MongoDB crashes when two processes create the same collection at the same time.
    await makeCollections(stack.baseUrl, mail)
    for (const name of ['command-api', 'projector'] as const) {
      const replica = await startReplica(name, { dataDir, env: name === 'projector' ? env.projector : undefined })
      onEnd(() => replica.server.stop())
      processes[name].push(replica.server)
      if (name === 'command-api') baseUrls.push(replica.baseUrl)
    }
  }

  const world: World = {
    ...(await connectTo(stack.uris, onEnd)),
    stack,
    hosts: undefined,
    dataDir,
    random: randomFrom(seed),
    mail,
    processes,
    writeSet: threeNodes ? threeNodes.writeSet : undefined,
    wrong: [],
  }
  return { world, baseUrls, adminToken: await mintForAdmin(world, join(dataDir, 'keys/signing-key.pem')) }
}

async function connectTo(uris: Record<'write' | 'read' | 'nats', string>, onEnd: OnEnd) {
  const clients = { write: new MongoClient(uris.write), read: new MongoClient(uris.read) }
  const nats = await connect({ servers: uris.nats, maxReconnectAttempts: -1, reconnectTimeWait: 250 })
  onEnd(() => Promise.all([clients.write.close(), clients.read.close(), nats.close()]))
  return { write: clients.write.db(), read: clients.read.db(), nats }
}

/** A token that is valid for longer than one of command-api, so that the load needs no login for each user. */
async function mintForAdmin({ write }: World, signingKeyFile: string): Promise<string> {
  const find = async () => (await write.collection('users').findOne({ email: adminEmail })) ?? false
  const admin = await eventually(find)
  const mint = tokenMint(signingKeyFile)
  return mint({ sub: String(admin._id), roles: ['admin'] }, { expiresIn: 24 * 3600 * 1000 })
}

/** Registers a user and waits for its e-mail: after that, every collection exists. */
async function makeCollections(baseUrl: string, mail: FreshMail): Promise<void> {
  await fetch(`${baseUrl}/api/v1/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'first@example.com', password: 'password123', name: 'First', roles: ['buyer'] }),
  })
  await eventually(() => mail.mails.length > 0, { timeoutMs: 10_000 })
}

/** Waits until no more e-mail is due, then counts the e-mails of each user. */
async function welcomes({ mail, read }: World, acknowledged: Acknowledged, { killsProjectors, losesEvents }: Scenario) {
  const users = [...acknowledged].filter(([, { deleted }]) => !deleted)
  const due = users.map(([, { email }]) => email)
  const counts = () => {
    const received = new Map<string, number>()
    for (const to of mail.mails.flatMap(({ envelopeTo }) => envelopeTo)) received.set(to, (received.get(to) ?? 0) + 1)
    return received
  }
  await eventually(() => due.every((email) => counts().has(email)), { timeoutMs: 150_000, intervalMs: 200 }).catch(
    () => undefined,
  )
  const received = counts()
  const without = users.filter(([, { email }]) => !received.has(email))
  // One process had handed it over, and since then no other was allowed to send it.
  const unknown = { $or: [{ handedOverAt: { $exists: true } }, { lostAt: { $exists: true } }] }
  const left = read.collection<{ _id: string }>('welcome_emails')
  const ids = without.map(([id]) => id)
  const handedOver = await left.distinct('_id', { _id: { $in: ids }, ...unknown })
  const registered = new Set(await left.distinct('_id', { _id: { $in: ids } }))
  const inTheWindow = [
    ...(killsProjectors ? handedOver : []),
    ...(losesEvents ? ids.filter((id) => !registered.has(id)) : []),
  ]
  return {
    doubled: [...received].filter(([, count]) => count > 1).map(([email]) => email),
    unwelcomed: without.filter(([id]) => !inTheWindow.includes(id)).map(([, { email }]) => email),
    inTheWindow,
  }
}

const adminEmail = 'admin@example.com'
