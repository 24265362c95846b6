import { setTimeout as delay } from 'node:timers/promises'
import { randomFrom } from '../faults/random.ts'
import { partOf, startWorld, type World } from '../faults/world.ts'
import { Client, type Tally } from './client.ts'

export type Result = {
  /** Pairs by kind of the query. */
  pairs: Record<string, number>
  unanswered: number
  wrong: string[]
  /** What the same check found in some pairs without tokens: nothing would mean that it finds nothing. */
  foundWithoutTokens: number
  /** Of the queries before the first fault. */
  healthyMs: { p50: number; p99: number; max: number }
  faults: Record<string, number>
}

/**
 * Runs clients that alternate between commands and queries over three query-apis, one of which prefers secondaries.
 * After a first part without faults, NATS is unavailable for `natsDownMs`, then processes are killed one after the
 * other.
 */
export async function runPairs(options: {
  pairs: number
  seed: number
  natsDownMs: number
  /** Gives the read database three nodes, so that one query-api reads from secondaries. */
  withSecondaries: boolean
  log?: (line: string) => void
}): Promise<Result> {
  const { pairs, seed, natsDownMs, withSecondaries, log = () => {} } = options
  const cleanUps: (() => Promise<unknown>)[] = []
  try {
    const threeNodes = withSecondaries && ({ threeNodes: 'read' } as const)
    const scenario = { name: 'freshness', rounds: 1, ...threeNodes, fault: async () => {} }
    const world = await startWorld(scenario, seed, (cleanUp) => cleanUps.unshift(cleanUp))
    await world.addReplica('query-api')
    await world.addReplica('query-api', { READ_PREFERENCE: 'secondaryPreferred' })
    const urlsOf = (name: string) => world.services.filter((service) => service.name === name).map(({ url }) => url)
    const start = (tally: Tally, withoutTokens: boolean) => {
      const clients = ['seller', 'admin', ...Array(6).fill(undefined)].map(
        (ownRole: string | undefined, number) =>
          new Client({
            commandApi: urlsOf('command-api')[0] as string,
            queryApis: urlsOf('query-api'),
            token: world.adminToken,
            random: randomFrom(seed + number),
            ownRole,
            withoutTokens,
            tally,
          }),
      )
      const done = () => Object.values(tally.pairs).reduce((sum, count) => sum + count, 0)
      const until = async (count: number) => {
        const run = async (client: Client) => {
          while (done() < count) await client.pair()
        }
        await Promise.all(clients.map(run))
      }
      return { done, until, leave: () => Promise.all(clients.map((client) => client.leave())) }
    }

    const unchecked: Tally = { pairs: {}, times: [], unanswered: 0, wrong: [] }
    const without = start(unchecked, true)
    await without.until(80)
    await without.leave()
    const tally: Tally = { pairs: {}, times: [], unanswered: 0, wrong: world.wrong }
    const { done, until } = start(tally, false)
    let logged = 0
    const logging = setInterval(() => {
      log(`${done()} of ${pairs} pairs, ${tally.wrong.length} wrong`)
      for (const wrong of tally.wrong.slice(logged)) log(`wrong: ${wrong}`)
      logged = tally.wrong.length
    }, 10_000)
    cleanUps.unshift(async () => clearInterval(logging))
    await until(pairs / 10)
    const healthy = tally.times.toSorted((one, other) => one - other)
    const at = (share: number) => Math.round(healthy[Math.floor(share * (healthy.length - 1))] ?? 0)
    const healthyMs = { p50: at(0.5), p99: at(0.99), max: at(1) }
    const faults = startFaults(world, natsDownMs)
    log(`${done()} pairs without a fault: ${JSON.stringify(healthyMs)}`)
    try {
      await until(pairs)
    } finally {
      await faults.stop()
    }
    const { pairs: ofKinds, unanswered, wrong } = tally
    const foundWithoutTokens = unchecked.wrong.length
    return { pairs: ofKinds, unanswered, wrong, foundWithoutTokens, healthyMs, faults: faults.counts }
  } finally {
    for (const cleanUp of cleanUps) await cleanUp()
  }
}

/** Stops NATS for a while, then kills one process after the other. */
function startFaults(world: World, natsDownMs: number) {
  const { random, services } = world
  const counts: Record<string, number> = {}
  const count = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1
  }
  const stopping = new AbortController()
  const running = (async () => {
    const nats = partOf(world, 'nats')
    await nats.kill()
    count('NATS unavailable')
    await delay(natsDownMs)
    await nats.start()
    while (!stopping.signal.aborted) {
      await delay(random.between(1_000, 8_000))
      const { name, server } = random.oneOf(services)
      await server.kill()
      count(`kill -9 of ${name}`)
      await delay(random.between(0, 500))
      await server.start()
    }
  })()
  return {
    counts,
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
