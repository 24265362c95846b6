import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { usersStream } from '@cqrs/contracts'
import type { Stack } from '@cqrs/local-stack'
import { type Cut, eventually, type Host } from '@cqrs/local-stack/testing'
import { rollingUpdate } from '../rolling/rolling-update.ts'
import { clocks } from './clocks.ts'
import { growth } from './growth.ts'
import { type Hosts, leaderOf } from './hosts.ts'
import { impostors } from './impostors.ts'
import { notSetAside, publishPoison } from './poison.ts'
import { refusals } from './refusals.ts'
import { replayShuffled } from './replay.ts'
import { partOf, type Scenario, underLoad, type World } from './world.ts'

/** Every fault of the suite, in the order of the report. */
export const scenarios: Scenario[] = [
  {
    name: 'kill -9 of a service',
    rounds: 50,
    killsProjectors: true,
    async fault(world) {
      const name = world.random.oneOf(['command-api', 'projector', 'query-api'] as const)
      await takeAway(world, name, 500)
    },
  },
  {
    name: 'kill -9 of NATS',
    rounds: 10,
    fault: (world) => takeAway(world, 'nats', 3_000),
  },
  {
    name: 'NATS unavailable for a minute',
    rounds: 1,
    async fault(world) {
      const nats = partOf(world, 'nats')
      await nats.kill()
      await delay(60_000)
      await nats.start()
    },
  },
  {
    name: 'NATS loses its data',
    rounds: 5,
    // Only the background comparison finds what NATS lost.
    env: { projector: { VERIFY_EVERY_SECONDS: '2' } },
    losesEvents: true,
    fault: (world) =>
      takeAway(world, 'nats', 3_000, () => rm(join(world.dataDir, 'nats/jetstream'), { recursive: true })),
  },
  {
    name: 'kill -9 of the read database',
    rounds: 5,
    ownDatabases: true,
    fault: (world) => takeAway(world, 'mongodb-read', 3_000),
  },
  {
    name: 'kill -9 of the write database',
    rounds: 5,
    ownDatabases: true,
    fault: (world) => takeAway(world, 'mongodb', 3_000),
  },
  {
    name: 'kill -9 of the primary of three write databases',
    rounds: 3,
    threeNodes: 'write',
    async fault(world) {
      const { threeNodes } = world
      if (!threeNodes) throw new Error('the write database does not have three nodes')
      await underLoad(world)
      const killed = await threeNodes.primary()
      await killed.kill()
      await threeNodes.primary()
      await underLoad(world)
      await killed.start()
      await threeNodes.complete()
    },
  },
  {
    name: 'two of each, killed with kill -9',
    rounds: 15,
    twoOfEach: true,
    killsProjectors: true,
    async fault(world) {
      const { random, processes } = world
      const name = random.oneOf(['command-api', 'projector'] as const)
      const killed = random.chance(0.4) ? processes[name] : [random.oneOf(processes[name])]
      await underLoad(world)
      await Promise.all(killed.map((process) => process.kill()))
      await delay(random.between(0, 1_000))
      await Promise.all(killed.map((process) => process.start()))
      await underLoad(world)
    },
  },
  {
    name: 'poison among good messages',
    rounds: 5,
    async fault(world) {
      await underLoad(world)
      const publishedPoison = await publishPoison(world)
      await underLoad(world)
      world.wrong.push(...(await notSetAside(world, publishedPoison)))
    },
  },
  {
    name: 'a rolling update from 0.2.0 to a new shape, and back',
    rounds: 5,
    release: '0.2.0',
    fault: rollingUpdate,
  },
  {
    name: 'histories shuffled and repeated, two projectors',
    rounds: 3,
    twoOfEach: true,
    fault: (world) => replayShuffled(world, () => underLoad(world)),
  },
  {
    name: 'the mail server refuses, then is unavailable',
    rounds: 4,
    async fault(world, round) {
      const { mail } = world
      await underLoad(world)
      if (round % 2 === 0) mail.refuse(451)
      else await mail.stop()
      await underLoad(world)
      if (round % 2 === 0) mail.accept()
      else await mail.start()
    },
  },
  {
    name: 'the mail server hangs, and dies in mid-delivery',
    rounds: 4,
    async fault(world, round) {
      const { mail } = world
      await underLoad(world)
      if (round % 2 === 0) mail.hang()
      else mail.dieInDelivery()
      await underLoad(world)
      mail.accept()
      await underLoad(world)
    },
  },
  {
    name: 'the network cuts hosts off',
    rounds: 8,
    onHosts: true,
    async fault(world, round) {
      const { hosts } = world
      if (!hosts) throw new Error('the system is not on hosts')
      const cut = cuts[(round - 1) % cuts.length] as (typeof cuts)[number]
      await underLoad(world)
      const faults = await cut(hosts)
      for (const { dropped } of faults) await eventually(async () => (await dropped()) > 0, { timeoutMs: 10_000 })
      // Longer than an election of MongoDB (10 s) and of NATS (4 to 9 s).
      await delay(15_000)
      await hosts.network.heal()
      await underLoad(world)
    },
  },
  ...refusals,
  ...clocks,
  ...impostors,
  ...growth,
]

/** Each separates something that its neighbours still see. */
const cuts: ((hosts: Hosts) => Promise<Cut[]>)[] = [
  // A deposed primary that clients still reach.
  async ({ network, write }) => {
    const primary = (await write.primaryHost()) as Host
    return [await network.split([primary], except(primary, write.hosts))]
  },
  // A leader that publishers still reach.
  async (hosts) => {
    const leader = await leaderOf(hosts, usersStream.name)
    const others = hosts.brokers.map(({ host }) => host).filter((host) => host !== leader)
    return [await hosts.network.split([leader], others)]
  },
  // A command-api that neither publishes nor learns that it does not.
  async ({ network, brokers, services }) => {
    const all = brokers.map(({ host }) => host)
    return [await network.split([services['command-api'][0]?.host as Host], all)]
  },
  // A primary that hears the others, and is not heard.
  async ({ network, write }) => {
    const primary = (await write.primaryHost()) as Host
    return await Promise.all(except(primary, write.hosts).map((other) => network.cut(primary, other, { oneWay: true })))
  },
]

const except = (one: Host, hosts: Host[]): Host[] => hosts.filter((host) => host !== one)

/** Kills a part at a random moment under load, and restarts it after at most `atMostMs`. */
async function takeAway(
  world: World,
  name: keyof Stack['servers'],
  atMostMs: number,
  meanwhile = async () => {},
): Promise<void> {
  const server = partOf(world, name)
  await underLoad(world)
  await server.kill()
  await meanwhile()
  await delay(world.random.between(0, atMostMs))
  await server.start()
  await underLoad(world)
}
