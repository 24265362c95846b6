import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { usersStream } from '@cqrs/contracts'
import { eventually } from '@cqrs/local-stack/testing'
import { AckPolicy, JetStreamApiCodes, type JetStreamApiError, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { partOf, type Scenario, underLoad, type World } from './world.ts'

/** Parts that are there and do not work: they refuse, are full, or hang. */
export const refusals: Scenario[] = [
  {
    name: 'NATS refuses the credentials, twice',
    rounds: 2,
    async fault(world) {
      for (let times = 0; times < 2; times++) {
        await underLoad(world)
        await refuseClients(world)
        await underLoad(world)
      }
    },
  },
  {
    name: 'a database refuses',
    rounds: 2,
    ownDatabases: true,
    async fault(world, round) {
      await underLoad(world)
      if (round % 2 === 1) await revokeRights(world, 'write', { 'command-api': 'readWrite' })
      else await revokeRights(world, 'read', { projector: 'readWrite', 'query-api': 'read' })
      await underLoad(world)
    },
  },
  {
    name: 'the stream is full',
    rounds: 2,
    async fault(world) {
      await underLoad(world)
      if ((await fillStream(world, 8_000)) === 0) world.wrong.push('no effect: the stream is full, and no event waits')
      await underLoad(world)
    },
  },
  {
    name: 'a part hangs',
    rounds: 4,
    ownDatabases: true,
    twoOfEach: true,
    async fault(world, round) {
      const aService = world.random.oneOf(['command-api', 'projector', 'query-api'] as const)
      const name = (['nats', 'mongodb', 'mongodb-read', aService] as const)[(round - 1) % 4] ?? aService
      const { pid } = partOf(world, name)
      await underLoad(world)
      process.kill(pid as number, 'SIGSTOP')
      try {
        await seen(world, `${name} hangs`, async () => (await fetch(`${world.stack?.baseUrl}/healthz`)).status === 503)
        // Longer than every time-out: of sockets to MongoDB and of acknowledgements (10 s), and of leases (5 s).
        await delay(12_000)
      } finally {
        process.kill(pid as number, 'SIGCONT')
      }
      await underLoad(world)
    },
  },
]

/** Waits until the fault shows. If it does not, it had no effect, which is a failure of the scenario. */
async function seen(world: World, what: string, shows: () => Promise<boolean>): Promise<void> {
  await eventually(shows, { timeoutMs: 20_000, intervalMs: 100 }).catch(() => {
    world.wrong.push(`no effect: ${what}`)
  })
}

/** Until each client was refused several times: by default one gives up after two. */
async function refuseClients(world: World): Promise<void> {
  const { dataDir } = world
  const file = join(dataDir, 'nats/nats-server.conf')
  const configuration = await readFile(file, 'utf8')
  const reconfigure = async (text: string) => {
    await writeFile(file, text)
    process.kill(partOf(world, 'nats').pid as number, 'SIGHUP')
  }
  const refusals = async () =>
    (await readFile(join(dataDir, 'logs/nats.log'), 'utf8')).match(/authentication error/g)?.length ?? 0
  const before = await refusals()
  await reconfigure(configuration.replace('include "users.conf"', 'authorization { user: "other", password: "wrong" }'))
  try {
    // Of each service, and of this process.
    await seen(world, 'NATS refuses the credentials', async () => (await refusals()) - before >= 4 * 4)
    for (const { url } of world.services)
      await seen(world, 'NATS refuses the credentials', async () =>
        (await (await fetch(`${url}/readyz`)).text()).includes('NATS refuses this client'),
      )
  } finally {
    await reconfigure(configuration)
  }
}

/** Takes the rights of these users of a database away, until the first of their services notices. */
async function revokeRights(world: World, side: 'write' | 'read', users: Record<string, string>): Promise<void> {
  const db = world[side]
  const admin = db.client.db('admin')
  const grant = async (isGranted: boolean) => {
    for (const [user, role] of Object.entries(users))
      await admin.command({ updateUser: user, roles: isGranted ? [{ role, db: db.databaseName }] : [] })
  }
  await grant(false)
  try {
    for (const { url } of world.services.filter(({ name }) => name in users))
      await seen(world, `the ${side} database refuses`, async () => (await fetch(`${url}/readyz`)).status === 503)
    await delay(3_000)
  } finally {
    await grant(true)
  }
}

/**
 * Bounds the stream, and fills it with what nobody handles. It stays full for longer if no event waits yet, because no
 * command succeeds. What JetStream does not do, as during another fault, is asked again.
 * @returns how many users had events that were not published
 * @throws Error if the stream did not become full
 */
export async function fillStream({ nats, write }: World, forMs: number): Promise<number> {
  const { streams, consumers } = await eventually(() => jetstreamManager(nats))
  const { config, state } = await eventually(() => streams.info(usersStream.name))
  const subject = 'users_replay.filler.x'
  // The stream drops what every consumer has handled, and this one handles nothing.
  const consumer = { durable_name: 'filler', filter_subject: subject, ack_policy: AckPolicy.Explicit }
  await eventually(() => consumers.add(usersStream.name, consumer))
  const bound = (max_bytes: number) => eventually(() => streams.update(usersStream.name, { max_bytes }))
  await bound(state.bytes + 200_000)
  const waiting = () => write.collection('users').countDocuments({ pendingSince: { $exists: true } })
  const until = performance.now() + forMs
  let isFull = false
  let refusal = ''
  const isOver = async () => {
    const late = performance.now() - until
    return late > 0 && (late > 20_000 || (isFull && (await waiting()) > 0))
  }
  const publish = (size: number) =>
    jetstream(nats)
      .publish(subject, 'x'.repeat(size))
      .then(
        () => '',
        ({ message }: Error) => message,
      )
  try {
    for (let size = 50_000; !(await isOver()); ) {
      refusal = await publish(size)
      if (refusal === '') continue
      if (refusal !== 'maximum bytes exceeded') await delay(200)
      else if (size > 10) size = Math.ceil(size / 2)
      else if (!isFull) isFull = true
      else await delay(20)
    }
    if (!isFull) throw new Error(`the stream did not become full: ${refusal}`)
    return await waiting()
  } finally {
    await eventually(() => consumers.delete(usersStream.name, consumer.durable_name).catch(isGone))
    await bound(config.max_bytes)
  }
}

/** @throws the error, unless it says that there is no such consumer */
function isGone(error: JetStreamApiError): true {
  if (error.code === JetStreamApiCodes.ConsumerNotFound) return true
  throw error
}
