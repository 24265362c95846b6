import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readModelShapes, shapeName, usersStream } from '@cqrs/contracts'
import { type ChildServer, migrate } from '@cqrs/local-stack'
import { type Cut, eventually, type Host, runProgram } from '@cqrs/local-stack/testing'
import { jetstreamManager } from '@nats-io/jetstream'
import { MongoClient } from 'mongodb'
import { type Hosts, leaderOf, type Nodes } from '../faults/hosts.ts'
import type { Random } from '../faults/random.ts'
import { fillStream } from '../faults/refusals.ts'
import { environmentOf, startReplica } from '../faults/replica.ts'
import type { World } from '../faults/world.ts'

/** What a nemesis has done, and how it was seen. @throws where it had no effect */
type Strike = { what: string; effect: string }

export type Nemesis = {
  name: string
  /** Whether it needs hosts of their own, or one machine. */
  needs?: 'hosts' | 'one machine'
  /** Whether it works on brokers, or with them: not together with another one of these. */
  broker?: true
  /** Whether it kills services, so that nobody knows whether a mail was sent. */
  kills?: true
  /** Whether NATS loses what it acknowledged. */
  losesEvents?: true
  /** Causes the fault, lets it last about so long, and ends it. */
  strike: (world: World, random: Random, lastsMs: number) => Promise<Strike>
}

/** Every nemesis, in the order of the report. */
export const nemeses: readonly Nemesis[] = [
  killing('kill -9'),
  {
    name: 'SIGSTOP, SIGCONT',
    strike: (world, random, lastsMs) =>
      withOne(random, partsOf(world), async ({ name, server, host }) => {
        const signal = async (signal: 'SIGSTOP' | 'SIGCONT') =>
          host ? await host.signal(signal) : void process.kill(server.pid as number, signal)
        await signal('SIGSTOP')
        try {
          const state = await eventually(async () => {
            const [, state] = /\) (\w)/.exec(await readFile(`/proc/${server.pid}/stat`, 'utf8')) ?? []
            return state === 'T' && state
          })
          await delay(lastsMs)
          return { what: name, effect: `state ${state} for ${inSeconds(lastsMs)}` }
        } finally {
          await signal('SIGCONT')
        }
      }),
  },
  cutting('a primary from its followers', async (hosts, random) => {
    const nodes = random.oneOf([hosts.write, hosts.read])
    const primary = await primaryOf(nodes)
    return { what: [primary], from: othersOf(nodes, primary) }
  }),
  cutting('a primary that is not heard', async (hosts, random) => {
    const nodes = random.oneOf([hosts.write, hosts.read])
    const primary = await primaryOf(nodes)
    return { what: [primary], from: othersOf(nodes, primary), oneWay: true }
  }),
  cutting(
    'a majority from a minority, with everybody on a side',
    async ({ write, read, brokers, services }, random) => {
      const minority = [write.hosts, read.hosts, brokers.map(({ host }) => host)].map((three) => random.oneOf(three))
      const halves = Object.values(services).map((processes) => random.oneOf(processes).host)
      const what = [...minority, ...halves]
      const all = [write, read].flatMap(({ hosts }) => hosts).concat(brokers.map(({ host }) => host))
      const everybody = [...all, ...Object.values(services).flatMap((processes) => processes.map(({ host }) => host))]
      return { what, from: everybody.filter((host) => !what.includes(host)) }
    },
  ),
  cutting('the leader of the stream from its followers', async (hosts) => {
    const leader = await leaderOf(hosts, usersStream.name)
    return { what: [leader], from: hosts.brokers.map(({ host }) => host).filter((host) => host !== leader) }
  }),
  cutting('a service from its brokers', async ({ services, brokers }, random) => ({
    what: [random.oneOf(Object.values(services).flat()).host],
    from: brokers.map(({ host }) => host),
  })),
  cutting('a service from its database', async ({ services, write, read }, random) => {
    const { name, host } = random.oneOf(Object.values(services).flat())
    return { what: [host], from: name === 'command-api' ? write.hosts : read.hosts }
  }),
  {
    name: 'a slow link',
    needs: 'hosts',
    async strike(world, random, lastsMs) {
      const { network, write, read, brokers, services } = hostsOf(world)
      const own = Object.values(services).flatMap((processes) => processes.map(({ host }) => host))
      const host = random.oneOf([...write.hosts, ...read.hosts, ...brokers.map(({ host }) => host), ...own])
      const rate = random.oneOf([64, 256, 1_024])
      const slow = await network.slow(host, rate)
      try {
        await delay(lastsMs)
        const waited = await eventually(async () => (await slow.waited()) || false, { timeoutMs: 10_000 })
        return { what: `${host.name}, ${rate} kbit/s`, effect: `${waited} packets had to wait` }
      } finally {
        await slow.heal()
      }
    },
  },
  {
    name: 'a clock an hour off',
    needs: 'hosts',
    async strike(world, random, lastsMs) {
      const { write, read, services } = hostsOf(world)
      const bySeconds = random.oneOf([-3_600, 3_600])
      const timesOf = [
        ...Object.values(services).flatMap((processes) =>
          processes.map(({ clock, host, url }) => ({ clock, name: host.name, time: () => timeOfService(url) })),
        ),
        ...[write, read].map((nodes) => ({
          clock: nodes.clock,
          name: nodes.hosts[0]?.name ?? '',
          time: () => timeOfNode(world, nodes),
        })),
      ]
      const { clock, name, time } = random.oneOf(timesOf.filter(({ clock }) => clock))
      await clock?.set(bySeconds)
      try {
        const off = await eventually(async () => {
          const seconds = Math.round(((await time()) - Date.now()) / 1_000)
          return Math.abs(seconds - bySeconds) < 60 && seconds
        })
        await delay(lastsMs)
        return { what: name, effect: `its clock is ${off} s off` }
      } finally {
        await clock?.set(0)
      }
    },
  },
  {
    name: 'NATS refuses',
    broker: true,
    needs: 'hosts',
    async strike(world, _random, lastsMs) {
      const { brokers, services } = hostsOf(world)
      const reconfigure = (more: string) => Promise.all(brokers.map((broker) => broker.reconfigure(more)))
      await reconfigure('authorization { user: "other", password: "wrong" }\n')
      try {
        const everybody = Object.values(services).flat()
        const reasons = await eventually(
          async () => {
            const texts = await Promise.all(everybody.map(async ({ url }) => (await fetch(`${url}/readyz`)).text()))
            const refused = texts.filter((text) => text.includes('NATS refuses this client')).length
            return refused > 0 && refused
          },
          { timeoutMs: 20_000, intervalMs: 200 },
        )
        await delay(lastsMs)
        return { what: 'every broker', effect: `${reasons} services say so in /readyz` }
      } finally {
        await reconfigure('')
      }
    },
  },
  {
    name: 'a full store',
    broker: true,
    async strike(world, _random, lastsMs) {
      const waiting = await fillStream(world, lastsMs)
      if (waiting === 0) throw new Error('the stream is full, and no event waits')
      return { what: 'the stream of events', effect: `"maximum bytes exceeded"; events of ${waiting} users waited` }
    },
  },
  {
    name: 'a broker comes back older',
    broker: true,
    needs: 'hosts',
    strike: (world, random, lastsMs) => comeBackOlder(world, [random.oneOf(hostsOf(world).brokers)], lastsMs),
  },
  {
    name: 'all brokers come back older',
    broker: true,
    losesEvents: true,
    needs: 'hosts',
    strike: (world, _random, lastsMs) => comeBackOlder(world, hostsOf(world).brokers, lastsMs),
  },
  {
    name: 'a secondary far behind',
    needs: 'hosts',
    async strike(world, random, lastsMs) {
      const { read } = hostsOf(world)
      const host = random.oneOf(othersOf(read, await primaryOf(read)))
      const lag = async () => {
        const { members } = await world.read.client.db('admin').command({ replSetGetStatus: 1 })
        const times = (members as Member[]).map(({ name, optimeDate }) => ({ name, time: optimeDate?.getTime() ?? 0 }))
        const own = times.find(({ name }) => name.startsWith(`${host.address}:`))?.time ?? 0
        return Math.max(...times.map(({ time }) => time)) - own
      }
      return await directly(world, read, host, async (admin) => {
        await admin.command({ fsync: 1, lock: true })
        try {
          await delay(lastsMs)
          // Without a primary nobody tells.
          const ms = await eventually(async () => (await lag()) > 1_000 && (await lag()), { timeoutMs: 40_000 })
          return { what: host.name, effect: `${inSeconds(ms)} behind the others` }
        } finally {
          await admin.command({ fsyncUnlock: 1 })
        }
      })
    },
  },
  {
    name: 'a rebuild',
    broker: true,
    async strike(world, random) {
      const name = shapeName(random.oneOf(Object.keys(readModelShapes)), 1)
      const output = await rebuild(world, name)
      return { what: name, effect: output.split('\n').at(-1) ?? '' }
    },
  },
  {
    name: 'a change of shape',
    broker: true,
    async strike(world, random, lastsMs) {
      const listed = await untilDone(() => operate(world, ['shape', 'list']))
      const live = Number(/user_directory_v(\d) +live/.exec(listed)?.[1])
      const other = shapeName('user_directory', random.oneOf(readModelShapes.user_directory.filter((n) => n !== live)))
      await rebuild(world, other)
      const there = await operate(world, ['shape', 'switch', other])
      await delay(lastsMs)
      const back = await operate(world, ['shape', 'rollback', 'user_directory'])
      return { what: other, effect: `${there}; ${back}` }
    },
  },
  {
    name: 'a change of membership',
    needs: 'hosts',
    async strike(world, random, lastsMs) {
      const nodes = random.oneOf([hostsOf(world).write, hostsOf(world).read])
      const host = random.oneOf(othersOf(nodes, await primaryOf(nodes)))
      const admin = world[nodes.side].client.db('admin')
      const config = async () => (await admin.command({ replSetGetConfig: 1 })).config
      const change = (members: (all: Member[]) => Member[]) =>
        eventually(
          async () => {
            const now = await config()
            await admin.command({
              replSetReconfig: { ...now, version: now.version + 1, members: members(now.members) },
            })
            return true
          },
          { timeoutMs: 60_000, intervalMs: 500 },
        )
      const isLeaving = ({ host: address }: Member) => address.startsWith(`${host.address}:`)
      const leaving = (await config()).members.find(isLeaving)
      await change((all) => all.filter((member) => !isLeaving(member)))
      try {
        await delay(lastsMs)
        const left = (await config()).members.length
        if (left !== 2) throw new Error(`${left} members are left`)
      } finally {
        await change((all) => [...all.filter((member) => !isLeaving(member)), leaving])
      }
      return { what: host.name, effect: 'two members, then three' }
    },
  },
  {
    name: 'a foreign write database answers',
    broker: true,
    needs: 'one machine',
    strike: (world, _random, lastsMs) => answerFromAnother(world, lastsMs),
  },
]

type Member = { name: string; host: string; optimeDate?: Date }

/** Every command-api makes room for one on an empty database of its own. */
async function answerFromAnother(world: World, lastsMs: number): Promise<Strike> {
  const { dataDir, copy, stack, services } = world
  if (!stack) throw new Error('the system is on hosts')
  const MONGODB_URI = stack.uris.write.replace('/users_write', '/users_write_of_another')
  const own = { MONGODB_URI, NATS_URL: stack.uris.nats, ...stack.natsUsers.migrate }
  await migrate({ name: 'command-api', release: copy, own, settings: {} })
  const real = services.filter(({ name, server }) => name === 'command-api' && !busy.has(server))
  for (const { server } of real) busy.add(server)
  const foreign: { server?: ChildServer } = {}
  try {
    await Promise.all(real.map(({ server }) => server.kill()))
    foreign.server = (await startReplica('command-api', { dataDir, release: copy, env: { MONGODB_URI } })).server
    const refusing = await eventually(
      async () => {
        const projectors = services.filter(({ name }) => name === 'projector')
        const texts = await Promise.all(projectors.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()))
        return texts.filter((text) => /^projector_foreign_write_side(\{.*\})? 1$/m.test(text)).length || false
      },
      { timeoutMs: 20_000 },
    )
    await delay(lastsMs)
    return { what: 'a command-api', effect: `projector_foreign_write_side is 1 in ${refusing} projector` }
  } finally {
    await foreign.server?.kill()
    await Promise.all(real.map(({ server }) => server.start()))
    for (const { server } of real) busy.delete(server)
  }
}

/** A process or server that can be killed or stopped. */
type Part = { name: string; server: ChildServer; host: Host | undefined }

const busy = new WeakSet<ChildServer>()

/** Strikes a part that no other nemesis strikes at the same time. */
async function withOne(random: Random, parts: Part[], strike: (part: Part) => Promise<Strike>): Promise<Strike> {
  const part = random.oneOf(parts.filter(({ server }) => !busy.has(server)))
  busy.add(part.server)
  try {
    return await strike(part)
  } finally {
    busy.delete(part.server)
  }
}

function partsOf({ hosts, services, stack }: World): Part[] {
  if (!hosts)
    return [
      ...services.map(({ name, server }) => ({ name, server, host: undefined })),
      ...(stack?.servers.nats ? [{ name: 'nats', server: stack.servers.nats, host: undefined }] : []),
    ]
  const nodesOf = ({ nodes, hosts }: Nodes) => nodes.map((server, i) => ({ server, host: hosts[i] as Host }))
  return [
    ...Object.values(hosts.services).flat(),
    ...hosts.brokers,
    ...nodesOf(hosts.write),
    ...nodesOf(hosts.read),
  ].map(({ server, host }) => ({ name: host.name, server, host }))
}

/** A nemesis that cuts hosts from others. */
function cutting(
  name: string,
  choose: (hosts: Hosts, random: Random) => Promise<{ what: Host[]; from: Host[]; oneWay?: true }>,
): Nemesis {
  return {
    name: `cut: ${name}`,
    needs: 'hosts',
    async strike(world, random, lastsMs) {
      const hosts = hostsOf(world)
      const { what, from, oneWay } = await choose(hosts, random)
      const { network } = hosts
      const primaries = await primariesOf(hosts)
      const cuts: Cut[] = oneWay
        ? await Promise.all(what.flatMap((one) => from.map((other) => network.cut(one, other, { oneWay }))))
        : [await network.split(what, from)]
      const dropped = async () => {
        const counts = await Promise.all(cuts.map((cut) => cut.dropped()))
        return counts.reduce((sum, count) => sum + count, 0)
      }
      try {
        await delay(lastsMs)
        const packets = await eventually(async () => (await dropped()) || false, { timeoutMs: 10_000 })
        const elected = await electedSince(hosts, primaries)
        return {
          what: what.map(({ name }) => name).join(', '),
          effect: [`${packets} packets were dropped`, ...elected.map((host) => `${host.name} became the primary`)].join(
            ', ',
          ),
        }
      } finally {
        for (const { heal } of cuts) await heal()
      }
    },
  }
}

const primariesOf = async ({ write, read }: Hosts): Promise<Host[]> =>
  await Promise.all([write, read].map((nodes) => primaryOf(nodes)))

/** Those that have become a primary in the meantime. */
async function electedSince(hosts: Hosts, before: Host[]): Promise<Host[]> {
  return (await primariesOf(hosts)).filter((host) => !before.includes(host))
}

/** Brokers are killed and start with what they had stored a while ago. */
async function comeBackOlder(world: World, brokers: Hosts['brokers'], lastsMs: number): Promise<Strike> {
  const lastOf = () =>
    eventually(async () => (await (await jetstreamManager(world.nats)).streams.info(usersStream.name)).state.last_seq, {
      timeoutMs: 30_000,
    })
  const storeOf = ({ dataDir }: Hosts['brokers'][number]) => join(dataDir, 'jetstream')
  const copyOf = (broker: Hosts['brokers'][number]) => `${storeOf(broker)}-older`
  // Another nemesis may have one.
  await eventually(() => brokers.every(({ server }) => !busy.has(server)), { timeoutMs: 40_000 })
  for (const { server } of brokers) busy.add(server)
  try {
    // A copy of files that are being written is what a backup of a running broker is.
    const before = await lastOf()
    for (const broker of brokers) await eventually(() => copyTo(copyOf(broker), storeOf(broker)))
    await delay(lastsMs)
    // What was published in between is lost.
    const after = await eventually(
      async () => {
        const last = await lastOf()
        return last !== before && last
      },
      { timeoutMs: 20_000 },
    )
    await Promise.all(brokers.map(({ server }) => server.kill()))
    for (const broker of brokers) {
      await rm(storeOf(broker), { recursive: true })
      await cp(copyOf(broker), storeOf(broker), { recursive: true })
    }
    await Promise.all(brokers.map(({ server }) => server.start()))
    const what = brokers.map(({ host }) => host.name).join(', ')
    const effect = `stores of message ${before} instead of ${after}`
    if (await eventually(() => everythingHasALeader(world), { timeoutMs: 15_000 }).catch(() => false))
      return { what, effect }
    await beginWithNothing(brokers)
    return { what, effect: `${effect}; 15 s without a leader, so they began with nothing` }
  } finally {
    for (const broker of brokers) {
      busy.delete(broker.server)
      await rm(copyOf(broker), { recursive: true, force: true })
    }
  }
}

/** Begins again where a file is gone before it is copied. */
async function copyTo(copy: string, store: string): Promise<void> {
  await rm(copy, { recursive: true, force: true })
  await cp(store, copy, { recursive: true })
}

async function everythingHasALeader({ nats }: World): Promise<boolean> {
  const { streams, consumers } = await jetstreamManager(nats, { checkAPI: false })
  const { cluster, state } = await streams.info(usersStream.name)
  const listed = await consumers.list(usersStream.name).next()
  // The list leaves out a consumer without a leader, or another server tells of it.
  if (listed.length < state.consumer_count) return false
  return [{ cluster }, ...listed].every((info) => info.cluster?.leader !== undefined)
}

/** What an operator does with brokers that do not agree (docs/restore.md). */
async function beginWithNothing(brokers: Hosts['brokers']): Promise<void> {
  await Promise.all(brokers.map(({ server }) => server.kill()))
  for (const { dataDir } of brokers) await rm(join(dataDir, 'jetstream'), { recursive: true })
  await Promise.all(brokers.map(({ server }) => server.start()))
}

/** Rebuilds a shape. It resumes if it is run again. */
const rebuild = (world: World, shape: string): Promise<string> => untilDone(() => operate(world, ['rebuild', shape]))

/** An operator whose command fails, such as without a majority or without NATS, runs it again. */
const untilDone = (command: () => Promise<string>): Promise<string> =>
  eventually(command, { timeoutMs: 60_000, intervalMs: 1_000 })

/** Runs a command of `npm run projector`. */
async function operate({ hosts, dataDir, copy }: World, args: string[]): Promise<string> {
  const { PATH, HOME } = process.env
  const env = hosts
    ? { PATH, HOME, MONGODB_READ_URI: hosts.uris.read, NATS_URL: hosts.uris.nats }
    : environmentOf('operator', dataDir)
  const { code, output } = await runProgram('operator', 'cli.js', args, env, copy)
  if (code !== 0) throw new Error(`${args.join(' ')} failed: ${output}`)
  return output.trim()
}

async function timeOfService(url: string): Promise<number> {
  const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) })
  return new Date(response.headers.get('date') ?? '').getTime()
}

const timeOfNode = async (world: World, nodes: Nodes): Promise<number> =>
  await directly(world, nodes, nodes.hosts[0] as Host, async (admin) => {
    const { localTime } = await admin.command({ hello: 1 })
    return localTime.getTime()
  })

/** Works on one node, whatever its state is. */
async function directly<Result>(
  world: World,
  { side }: Nodes,
  { address }: Host,
  work: (admin: ReturnType<MongoClient['db']>) => Promise<Result>,
): Promise<Result> {
  const [, credentials, list = '', database] =
    /^(mongodb:\/\/[^@]+@)([^/]+)(\/\w+)/.exec(hostsOf(world).uris[side]) ?? []
  const node = list.split(',').find((one) => one.startsWith(`${address}:`))
  const client = new MongoClient(`${credentials}${node}${database}?authSource=admin&directConnection=true`)
  try {
    return await work(client.db('admin'))
  } finally {
    await client.close()
  }
}

const othersOf = ({ hosts }: Nodes, one: Host): Host[] => hosts.filter((host) => host !== one)
const primaryOf = async (nodes: Nodes): Promise<Host> => (await nodes.primaryHost()) as Host
const inSeconds = (ms: number): string => `${Math.round(ms / 1_000)} s`

function hostsOf({ hosts }: World): Hosts {
  if (!hosts) throw new Error('the system is not on hosts of their own')
  return hosts
}

/** A nemesis that kills one of the parts, of this name if it is given, and starts it again. */
export function killing(name: string, only?: Part['name']): Nemesis {
  return {
    name,
    kills: true,
    strike: (world, random, lastsMs) => {
      const parts = partsOf(world).filter((part) => !only || part.name === only)
      return withOne(random, parts, async ({ name, server }) => {
        const { pid } = server
        await server.kill()
        await delay(random.between(0, lastsMs / 4))
        await server.start()
        return { what: name, effect: `process ${pid} was killed, ${server.pid} is ready` }
      })
    },
  }
}

/** A cut that lasts until the followers have another primary, some 10 s: what only the old one has is rolled back. */
export function cuttingUntilElection(name: string, side: Nodes['side']): Nemesis {
  return {
    name,
    needs: 'hosts',
    async strike(world, _random, lastsMs) {
      const hosts = hostsOf(world)
      const nodes = hosts[side]
      const primary = await primaryOf(nodes)
      const others = othersOf(nodes, primary)
      const isPrimary = async (host: Host) =>
        await directly(world, nodes, host, async (admin) => (await admin.command({ hello: 1 }))['isWritablePrimary'])
      const cut = await hosts.network.split([primary], others)
      try {
        const next = await eventually(
          async () => {
            for (const host of others) if (await isPrimary(host)) return host
            return false
          },
          { timeoutMs: 40_000, intervalMs: 500 },
        )
        await delay(lastsMs / 4)
        return { what: primary.name, effect: `${next.name} became the primary` }
      } finally {
        await cut.heal()
      }
    },
  }
}
