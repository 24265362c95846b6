import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { usersStream } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import { jetstreamManager } from '@nats-io/jetstream'
import { lostCommands, untilWhole } from './comparison.ts'
import { type LargestHeap, watchHeap } from './heap.ts'
import { type Acknowledged, startLoad } from './load.ts'
import { randomFrom } from './random.ts'
import { type Scenario, startWorld, type World } from './world.ts'

/** One row of the report. */
export type Outcome = {
  scenario: string
  rounds: number
  acknowledged: number
  /** Acknowledged commands that the write model does not contain, and deletions that nobody asked for. */
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
  /** Of each service, over all its processes. */
  largestHeap: LargestHeap
}

type Options = { rounds: number; seed: number; log: (line: string) => void }

/** Runs rounds of one fault on a system of its own. */
export async function runScenario(scenario: Scenario, options: Options): Promise<Outcome> {
  const cleanUps: (() => Promise<unknown>)[] = []
  try {
    const world = await startWorld(scenario, options.seed, (cleanUp) => cleanUps.unshift(cleanUp))
    return await runRounds(world, scenario, options)
  } finally {
    for (const cleanUp of cleanUps) await cleanUp()
  }
}

/**
 * Runs rounds of one fault on a system, under load, and compares both sides document by document after each round. The
 * system may have been through others: what they did is checked again, except the mails that they explain.
 */
export async function runRounds(world: World, scenario: Scenario, { rounds, seed, log }: Options): Promise<Outcome> {
  const { name } = scenario
  const { baseUrls, adminToken, acknowledged } = world
  world.random = randomFrom(seed)
  const heap = watchHeap(world.services)
  try {
    const differing: string[] = []
    let commands = 0
    let longestRecoveryMs = 0
    for (let round = 1; round <= rounds; round++) {
      const load = startLoad({ baseUrls, adminToken, acknowledged, clients: 4, random: randomFrom(seed + round) })
      try {
        await scenario.fault(world, round, log)
      } finally {
        await load.stop()
      }
      commands += load.counts.acknowledged
      const whole = await untilWhole(world.write, world.read, 90_000)
      differing.push(...whole.differing)
      world.wrong.push(...(await notReady(world)), ...(await deniedByNats(world)))
      longestRecoveryMs = Math.max(longestRecoveryMs, whole.ms)
      const answers = [...load.statuses].map(([status, count]) => `${status}: ${count}`).join(', ')
      log(`${name} ${round}/${rounds}: ${answers}; ${whole.differing.length} differ after ${Math.round(whole.ms)} ms`)
    }
    const lost = await lostCommands(world.write, acknowledged)
    const welcome = await welcomes(world, acknowledged, scenario)
    for (const id of welcome.inTheWindow) acknowledged.delete(id)
    return {
      scenario: name,
      rounds,
      acknowledged: commands,
      lost,
      differing,
      ...welcome,
      wrong: world.wrong.splice(0),
      longestRecoveryMs,
      largestHeap: heap.largest,
    }
  } finally {
    await heap.stop()
  }
}

/** Waits until every service that runs is ready again. @returns those that are not, in words */
async function notReady({ services }: World): Promise<string[]> {
  const waiting = services
    .filter(({ server }) => server.pid !== undefined)
    .map(async ({ name, url }) => {
      const isReady = async () => (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok
      const failed = (error: Error) => `${name} is not ready again: ${error.message}`
      return await eventually(isReady, { timeoutMs: 60_000, intervalMs: 100 }).then(() => undefined, failed)
    })
  return (await Promise.all(waiting)).filter((problem) => problem !== undefined)
}

/** What NATS refused to a process that needs it for its job. */
async function deniedByNats({ stack, dataDir }: World): Promise<string[]> {
  if (!stack) return []
  const log = await readFile(join(dataDir, 'logs/nats.log'), 'utf8')
  return [...new Set(log.match(/"\$G\/user:.*Violation.*/g))]
}

/** Waits until no more e-mail is due, then counts the e-mails of each user. */
async function welcomes(world: World, acknowledged: Acknowledged, { killsProjectors, losesEvents }: Scenario) {
  const { mail, read, write } = world
  const gone = new Set(
    await write.collection<{ _id: string }>('users').distinct('_id', { deletedAt: { $exists: true } }),
  )
  const users = [...acknowledged].filter(
    ([id, { deleted, mayBeDeleted }]) => !deleted && !(mayBeDeleted && gone.has(id)),
  )
  const counts = () => {
    const received = new Map<string, number>()
    for (const to of mail.mails.flatMap(({ envelopeTo }) => envelopeTo)) received.set(to, (received.get(to) ?? 0) + 1)
    return received
  }
  const left = read.collection<{ _id: string }>('welcome_emails')
  const isOver = async () => {
    const received = counts()
    const due = users.filter(([, { email }]) => !received.has(email)).map(([id]) => id)
    if (due.length === 0) return true
    return losesEvents === true && (await isIdle(world)) && (await left.countDocuments({ _id: { $in: due } })) === 0
  }
  await eventually(isOver, { timeoutMs: 150_000, intervalMs: 200 }).catch(() => undefined)
  const received = counts()
  const without = users.filter(([, { email }]) => !received.has(email))
  // One process had handed it over, and since then no other was allowed to send it.
  const unknown = { $or: [{ handedOverAt: { $exists: true } }, { lostAt: { $exists: true } }] }
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

/** Whether every event is published, and the sender of the welcome e-mails has handled all that it gets. */
async function isIdle({ nats, write }: World): Promise<boolean> {
  if ((await write.collection('users').countDocuments({ pendingSince: { $exists: true } })) > 0) return false
  const { consumers } = await jetstreamManager(nats)
  const { num_pending, num_ack_pending } = await consumers.info(usersStream.name, 'welcome-email')
  return num_pending + num_ack_pending === 0
}
