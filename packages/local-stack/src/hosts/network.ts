import { aptInstall } from '../apt.ts'
import { eventually } from '../eventually.ts'
import { run } from '../run.ts'
import { whileNoBrowser } from '../testing/browser-lock.ts'
import type { Teardown } from '../testing/teardown.ts'

/** A host of a `Network`: a network namespace with one address. */
export type Host = {
  name: string
  address: string
  /** The command that runs a program on this host. Its process id is the program's own. */
  command(program: string, args: readonly string[]): { command: string; args: string[] }
  /** Sends a signal to every process of the host; SIGSTOP makes the host hang. */
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): Promise<void>
}

/**
 * Hosts of their own on one Linux machine, and faults of the network between them. Needs root.
 *
 * Each host is a network namespace. All are plugged into a switch, a bridge in a namespace of its own, and so is the
 * machine itself. Only the switch drops packets: a set of address pairs says who cannot reach whom, so each fault and
 * each healing is one atomic change, and none outlives the switch. A dropped packet has no answer, as if a cable were
 * pulled behind a switch: connections stay open.
 */
export class Network {
  /** This process, and whatever it does not start on a host. */
  readonly machine: Pick<Host, 'name' | 'address'>
  readonly #prefix: string
  readonly #subnet: string
  readonly #hosts: Host[] = []
  /** How many faults cut each pair of addresses. */
  readonly #cuts = new Map<string, number>()

  private constructor(prefix: string, subnet: string) {
    this.#prefix = prefix
    this.#subnet = subnet
    this.machine = { name: 'machine', address: `${subnet}.${machineNumber}` }
  }

  /** Why this machine cannot have hosts, for the `skip` of a test; false if it can. */
  static notPossible(): string | false {
    if (process.platform !== 'linux') return 'network namespaces exist only on Linux'
    return process.getuid?.() !== 0 && 'only root can create network namespaces'
  }

  /** Creates a network without hosts. When the test ends it is removed, with every process of its hosts. */
  static async create(t: Teardown): Promise<Network> {
    await installMissing()
    return await whileNoBrowser(() => Network.#create(t))
  }

  static async #create(t: Teardown): Promise<Network> {
    await removeLeftOver()
    for (let number = 1; number < 255; number++) {
      const prefix = `lab-${process.pid}-${number}`
      const cable = `lab${number}`
      await ip('netns', 'add', prefix)
      // No two interfaces of the machine have one name, so no two networks have the same addresses.
      const isFree = await plugIn(prefix, machineNumber, cable).catch(() => false)
      if (isFree === false) {
        await removeNamespace(prefix)
        continue
      }
      const network = new Network(prefix, `10.77.${number}`)
      t.teardown(() => whileNoBrowser(() => network.#remove()))
      await network.#setUp(cable)
      return network
    }
    throw new Error('every address range for hosts is in use')
  }

  /** Adds hosts, which reach each other and the machine. */
  async addHosts(...names: string[]): Promise<Host[]> {
    for (const name of names) await this.#addHost(name)
    return this.#hosts.slice(-names.length)
  }

  /** Drops packets between two hosts. @param options.oneWay only those from the first to the second */
  cut(from: End, to: End, { oneWay = false } = {}): Promise<Cut> {
    return this.#drop(oneWay ? [[from, to]] : bothWays(from, to))
  }

  /** Cuts a host from every other one, and from the machine. */
  isolate(host: Host): Promise<Cut> {
    return this.split([host], [this.machine, ...this.#hosts.filter((other) => other !== host)])
  }

  /** Cuts groups of hosts from each other. A host that is in none of them still reaches all. */
  split(...groups: End[][]): Promise<Cut> {
    const pairs = groups.flatMap((group, i) =>
      groups.slice(i + 1).flatMap((other) => group.flatMap((a) => other.flatMap((b) => bothWays(a, b)))),
    )
    return this.#drop(pairs)
  }

  /** Drops packets between two hosts at random. */
  lose(a: End, b: End, percent: number): Promise<void> {
    const rules = bothWays(a, b).map(
      ([{ address: from }, { address: to }]) =>
        `add rule bridge lab lose ip saddr ${from} ip daddr ${to} numgen random mod 100 < ${percent} counter drop`,
    )
    return this.#change(rules)
  }

  /** Lets through what a host receives and sends at this rate only; what waits longer than half a second is lost. */
  async slow(host: Host, kilobitsPerSecond: number): Promise<Slow> {
    const ends = [
      { namespace: this.#prefix, device: `port${this.#hosts.indexOf(host) + 1}` },
      { namespace: `${this.#prefix}-${host.name}`, device: 'eth0' },
    ]
    const rate = ['tbf', 'rate', `${kilobitsPerSecond}kbit`, 'burst', '16kbit', 'latency', '500ms']
    for (const { namespace, device } of ends)
      await inNamespace(namespace, 'tc', 'qdisc', 'replace', 'dev', device, 'root', ...rate)
    return {
      waited: async () => {
        const show = ({ namespace, device }: (typeof ends)[number]) =>
          inNamespace(namespace, 'tc', '-s', 'qdisc', 'show', 'dev', device)
        const shown = await Promise.all(ends.map(show))
        return shown.reduce((sum, text) => sum + Number(/overlimits (\d+)/.exec(text)?.[1] ?? 0), 0)
      },
      heal: async () => {
        for (const { namespace, device } of ends)
          await inNamespace(namespace, 'tc', 'qdisc', 'del', 'dev', device, 'root')
      },
    }
  }

  /** Ends every cut and loss. An open connection continues at its next retransmission. */
  async heal(): Promise<void> {
    this.#cuts.clear()
    await this.#change(['flush set bridge lab cut', 'flush chain bridge lab lose'])
  }

  async #setUp(cable: string): Promise<void> {
    await ip('-n', this.#prefix, 'link', 'add', 'switch', 'type', 'bridge')
    await ip('-n', this.#prefix, 'link', 'set', 'switch', 'up', 'addrgenmode', 'none')
    await this.#change([filter])
    await this.#connect(machineNumber)
    await ip('link', 'set', cable, 'up', 'addrgenmode', 'none')
    await ip('address', 'add', `${this.machine.address}/24`, 'dev', cable)
  }

  async #addHost(name: string): Promise<void> {
    const number = this.#hosts.length + 1
    const namespace = `${this.#prefix}-${name}`
    const address = `${this.#subnet}.${number}`
    await ip('netns', 'add', namespace)
    await ip('-n', namespace, 'link', 'set', 'lo', 'up')
    await plugIn(this.#prefix, number, 'eth0', namespace)
    await this.#connect(number)
    await ip('-n', namespace, 'link', 'set', 'eth0', 'up', 'addrgenmode', 'none')
    await ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0')
    this.#hosts.push({
      name,
      address,
      command: (program, args) => ({ command: 'ip', args: ['netns', 'exec', namespace, program, ...args] }),
      signal: async (signal) => {
        for (const pid of await processesIn(namespace)) process.kill(pid, signal)
      },
    })
  }

  #connect(number: number): Promise<string> {
    return ip('-n', this.#prefix, 'link', 'set', `port${number}`, 'master', 'switch', 'up', 'addrgenmode', 'none')
  }

  async #drop(pairs: [End, End][]): Promise<Cut> {
    const elements = pairs.map(([a, b]) => `${a.address} . ${b.address}`)
    await this.#change(elements.map((element) => `add element bridge lab cut { ${element} }`))
    for (const element of elements) this.#cuts.set(element, (this.#cuts.get(element) ?? 0) + 1)
    return {
      dropped: async () => {
        const set = await inNamespace(this.#prefix, 'nft', 'list', 'set', 'bridge', 'lab', 'cut')
        const counters = set.matchAll(/(\S+ \. \S+) counter packets (\d+)/g)
        return [...counters].reduce(
          (sum, [, pair = '', packets]) => sum + (elements.includes(pair) ? Number(packets) : 0),
          0,
        )
      },
      heal: async () => {
        const healed = elements.filter((element) => {
          const others = (this.#cuts.get(element) ?? 0) - 1
          if (others <= 0) this.#cuts.delete(element)
          else this.#cuts.set(element, others)
          return others === 0
        })
        if (healed.length > 0)
          await this.#change(healed.map((element) => `delete element bridge lab cut { ${element} }`))
      },
    }
  }

  /** In one transaction. */
  async #change(commands: string[]): Promise<void> {
    await inNamespace(this.#prefix, 'nft', commands.join('; '))
  }

  async #remove(): Promise<void> {
    const own = (await namespaces()).filter((name) => name === this.#prefix || name.startsWith(`${this.#prefix}-`))
    for (const name of own) await removeNamespace(name)
  }
}

/** A fault that drops packets. */
export type Cut = {
  /** How many it has dropped: a fault that dropped none had no effect. */
  dropped: () => Promise<number>
  /** Ends it. What another fault cuts as well stays cut. */
  heal: () => Promise<void>
}

/** A fault that slows packets. */
export type Slow = {
  /** How many had to wait. */
  waited: () => Promise<number>
  heal: () => Promise<void>
}

type End = Pick<Host, 'name' | 'address'>

const machineNumber = 254

const filter =
  'table bridge lab { set cut { type ipv4_addr . ipv4_addr; counter; }; chain lose { }; ' +
  'chain forward { type filter hook forward priority 0; ip saddr . ip daddr @cut drop; jump lose; }; }'

const bothWays = (a: End, b: End): [End, End][] => [
  [a, b],
  [b, a],
]

const ip = (...args: string[]): Promise<string> => run('ip', args)

const inNamespace = (namespace: string, ...command: string[]): Promise<string> =>
  ip('netns', 'exec', namespace, ...command)

/** Lays a cable from the switch to a new interface of the machine, or of a namespace. */
function plugIn(switchName: string, number: number, device: string, namespace?: string): Promise<string> {
  const there = namespace ? ['netns', namespace] : []
  return ip('link', 'add', device, ...there, 'type', 'veth', 'peer', 'name', `port${number}`, 'netns', switchName)
}

const namespaces = async (): Promise<string[]> =>
  (await ip('netns', 'list')).split('\n').flatMap((line) => line.split(' ')[0] || [])

const processesIn = async (namespace: string): Promise<number[]> =>
  (await ip('netns', 'pids', namespace)).split('\n').filter(Boolean).map(Number)

/** Kills the processes of a namespace, some of which may start others in the meantime, and removes it. */
async function removeNamespace(name: string): Promise<void> {
  await eventually(
    async () => {
      const left = await processesIn(name)
      for (const pid of left) process.kill(pid, 'SIGKILL')
      return left.length === 0
    },
    { timeoutMs: 10_000, intervalMs: 100 },
  )
  await ip('netns', 'delete', name)
}

/** Removes what a process left that was killed before its tests ended. */
async function removeLeftOver(): Promise<void> {
  for (const name of await namespaces()) {
    const owner = Number(/^lab-(\d+)-/.exec(name)?.[1])
    if (owner && !isAlive(owner)) await removeNamespace(name)
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function installMissing(): Promise<void> {
  const isThere = (command: string, ...args: string[]) =>
    run(command, args).then(
      () => true,
      () => false,
    )
  const tools = [
    { name: 'iproute2', found: await isThere('ip', '-V') },
    { name: 'nftables', found: await isThere('nft', '--version') },
  ]
  const missing = tools.filter(({ found }) => !found)
  if (missing.length > 0) await aptInstall(...missing.map(({ name }) => name))
}
