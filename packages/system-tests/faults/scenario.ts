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
import { type Acknowledged, startLoad } from './load.ts'
import { type Random, randomFrom } from './random.ts'
import { startReplica } from './replica.ts'
import { startThreeNodes } from './three-nodes.ts'

/** One row of the report. */
export type Outcome = {
  scenario: string
  rounds: number
  acknowledged: number
  /** Acknowledged commands that the write model does not show, and why. */
  lost: string[]
  /** What was not equal in time after a round. */
  differing: string[]
  /** Users that got more than one welcome e-mail. */
  doubled: string[]
  /** Living registered users that got none, and no crash leaves unknown whether they did. */
  unwelcomed: string[]
  /**
   * Those that got none because a projector was killed between the hand-over of the mail and the mail server's answer: the
   * window that cannot be closed (welcome-email.ts).
   */
  inTheWindow: string[]
  /** What else a scenario found wrong. */
  wrong: string[]
  /** The longest time from the end of a fault until the read model was whole again. */
  longestRecoveryMs: number
}

export type World = {
  stack: Stack
  dataDir: string
  random: Random
  write: Db
  read: Db
  nats: NatsConnection
  mail: FreshMail
  /** Every process of these services. */
  processes: Record<'command-api' | 'projector', ChildServer[]>
  /** The write database where it has three nodes. */
  writeSet: ReplicaSet | undefined
  /** What a fault finds wrong, in words, beyond what is looked at after every fault. */
  wrong: string[]
}

export type Scenario = {
  name: string
  /** How often the fault comes, in the long form. */
  rounds: number
  /** Does its harm and ends it; the load goes on meanwhile. */
  fault: (world: World, round: number) => Promise<void>
  /** Environment variables of single services. */
  env?: NonNullable<Parameters<typeof startStack>[0]['env']>
  /** A second command-api and a second projector run beside the first ones, and both command-apis get commands. */
  twoOfEach?: true
  /** The write database is a replica set of three nodes. */
  threeNodes?: true
  /** Projectors are killed: one mail or the other can then be in the window that cannot be closed. */
  killsProjectors?: true
  /** The databases are servers that only this scenario uses, so that it may kill them. */
  ownDatabases?: true
}

/**
 * Runs rounds of one fault on a system of its own, under load, and compares both sides document by document after each.
 */
export async function runScenario(
  scenario: Scenario,
  { rounds, seed, log }: { rounds: number; seed: number; log: (line: string) => void },
): Promise<Outcome> {
  const { name } = scenario
  const cleanUps: (() => Promise<unknown>)[] = []
  try {
    const { world, baseUrls, adminToken } = await startWorld(scenario, seed, (cleanUp) => cleanUps.unshift(cleanUp))
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

/** Starts the system of a scenario. What was started is stopped by `onEnd`'s functions, the last first. */
async function startWorld(scenario: Scenario, seed: number, onEnd: (cleanUp: () => Promise<unknown>) => void) {
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
    // The Windows build of MongoDB crashes when two processes make one collection at the same moment.
    await makeCollections(stack.baseUrl, mail)
    for (const name of ['command-api', 'projector'] as const) {
      const replica = await startReplica(name, { dataDir, env: name === 'projector' ? env.projector : undefined })
      onEnd(() => replica.server.stop())
      processes[name].push(replica.server)
      if (name === 'command-api') baseUrls.push(replica.baseUrl)
    }
  }

  const clients = { write: new MongoClient(stack.uris.write), read: new MongoClient(stack.uris.read) }
  const nats = await connect({ servers: stack.uris.nats, maxReconnectAttempts: -1, reconnectTimeWait: 250 })
  onEnd(() => Promise.all([clients.write.close(), clients.read.close(), nats.close()]))
  const world: World = {
    stack,
    dataDir,
    random: randomFrom(seed),
    write: clients.write.db(),
    read: clients.read.db(),
    nats,
    mail,
    processes,
    writeSet: threeNodes ? threeNodes.writeSet : undefined,
    wrong: [],
  }
  const admin = await eventually(
    async () => (await world.write.collection('users').findOne({ email: adminEmail })) ?? false,
  )
  const mint = tokenMint(join(dataDir, 'keys/signing-key.pem'))
  // Longer-lived than those of command-api: the load then needs no login for each user.
  const adminToken = mint({ sub: String(admin._id), roles: ['admin'] }, { expiresIn: 24 * 3600 * 1000 })
  return { world, baseUrls, adminToken }
}

/** Registers a user and waits for its mail: after that every collection is there. */
async function makeCollections(baseUrl: string, mail: FreshMail): Promise<void> {
  await fetch(`${baseUrl}/api/v1/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'first@example.com', password: 'password123', name: 'First', roles: ['buyer'] }),
  })
  await eventually(() => mail.mails.length > 0, { timeoutMs: 10_000 })
}

/** Waits until no more mail is due, then counts them by user. */
async function welcomes({ mail, read }: World, acknowledged: Acknowledged, { killsProjectors }: Scenario) {
  const users = [...acknowledged].filter(([, { deleted }]) => !deleted)
  const due = users.map(([, { email }]) => email)
  const counts = () => {
    const received = new Map<string, number>()
    for (const to of mail.mails.flatMap(({ envelopeTo }) => envelopeTo)) received.set(to, (received.get(to) ?? 0) + 1)
    return received
  }
  await eventually(() => due.every((email) => counts().has(email)), { timeoutMs: 60_000, intervalMs: 200 }).catch(
    () => undefined,
  )
  const received = counts()
  const without = users.filter(([, { email }]) => !received.has(email))
  // That one process had handed it over, and no other was free to send it since.
  const unknown = { handedOverAt: { $exists: true }, sentAt: { $exists: false } }
  const left = read.collection<{ _id: string }>('welcome_emails')
  const ids = killsProjectors ? without.map(([id]) => id) : []
  const inTheWindow = await left.distinct('_id', { _id: { $in: ids }, ...unknown })
  return {
    doubled: [...received].filter(([, count]) => count > 1).map(([email]) => email),
    unwelcomed: without.filter(([id]) => !inTheWindow.includes(id)).map(([, { email }]) => email),
    inTheWindow,
  }
}

const adminEmail = 'admin@example.com'
