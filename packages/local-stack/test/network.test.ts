import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { eventually, type Host, Network } from '@cqrs/local-stack/testing'
import t from 'tap'
import { run } from '../src/run.ts'

// What each fault of the network cuts, and nothing else: every host asks every other one, over UDP.
const impossible = Network.notPossible()

t.test('hosts reach each other unless a fault cuts them off', { skip: impossible }, async (t) => {
  const network = await Network.create(t)
  const hosts = await network.addHosts('a', 'b', 'c')
  const [a, b, c] = hosts as [Host, Host, Host]
  for (const host of hosts) await echo(host)
  const reachable = async () => {
    const pairs = hosts.flatMap((from) => hosts.filter((to) => to !== from).map((to) => ({ from, to })))
    const answers = await Promise.all(pairs.map(({ from, to }) => asks(from, to)))
    return pairs.filter((_, i) => answers[i]).map(({ from, to }) => from.name + to.name)
  }
  const all = ['ab', 'ac', 'ba', 'bc', 'ca', 'cb']

  t.strictSame(await reachable(), all)
  t.ok(await asks(undefined, a), 'the machine reaches a host')

  const cut = await network.cut(a, b)
  t.equal(await cut.dropped(), 0)
  t.strictSame(await reachable(), ['ac', 'bc', 'ca', 'cb'], 'cut')
  t.ok((await cut.dropped()) > 0, 'packets were dropped')
  t.ok(await asks(undefined, a), 'the machine still reaches it')

  await network.heal()
  t.strictSame(await reachable(), all, 'healed')

  await network.cut(a, b, { oneWay: true })
  t.strictSame(await reachable(), ['ac', 'bc', 'ca', 'cb'], 'one way: the question is lost, or the answer')
  await network.heal()

  const [one, other] = [await network.cut(a, b), await network.split([a], [b, c])]
  await one.heal()
  t.strictSame(await reachable(), ['bc', 'cb'], 'what another fault cuts as well stays cut')
  await other.heal()
  t.strictSame(await reachable(), all)

  const slow = await network.slow(a, 64)
  t.equal(await slow.waited(), 0)
  await asks(b, a, 10_000)
  t.ok((await slow.waited()) > 0, 'packets had to wait')
  await slow.heal()
  t.strictSame(await reachable(), all, 'no longer slow')

  await network.isolate(a)
  t.strictSame(await reachable(), ['bc', 'cb'], 'isolated')
  t.notOk(await asks(undefined, a), 'also from the machine')
  await network.heal()

  await network.split([a, network.machine], [b, c])
  t.strictSame(await reachable(), ['bc', 'cb'], 'split')
  t.ok(await asks(undefined, a), 'the machine is on the side of a')
  t.notOk(await asks(undefined, b))
  await network.heal()

  await network.lose(a, b, 99)
  await eventually(async () => !(await asks(a, b)))
  t.ok(await asks(a, c), 'packets between other hosts are not lost')
  await network.heal()

  await a.signal('SIGSTOP')
  t.strictSame(await reachable(), ['ab', 'ac', 'bc', 'cb'], 'a host that is stopped does not answer')
  await a.signal('SIGCONT')
  await eventually(async () => (await reachable()).length === all.length)
})

t.test('a network leaves nothing behind', { skip: impossible }, async (t) => {
  let host: Host | undefined
  await t.test('one that has a running process', async (t) => {
    const network = await Network.create(t)
    const [only] = await network.addHosts('only')
    host = only as Host
    await echo(host)
    t.match(await run('ip', ['netns', 'list']), `lab-${process.pid}-`)
  })
  t.notMatch(await run('ip', ['netns', 'list']), `lab-${process.pid}-`)
  t.notOk(await asks(undefined, host as Host))
})

/** Starts a server on a host that sends back each packet. The network ends it. */
async function echo(host: Host): Promise<void> {
  const source = `const socket = require('node:dgram').createSocket('udp4')
    socket.on('message', (message, { port, address }) => socket.send(message, port, address))
    socket.bind(7, '${host.address}', () => console.log('bound'))`
  const { command, args } = host.command(process.execPath, ['-e', source])
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  child.unref()
}

/** @returns whether a host, or the machine itself, gets an answer from another host within 300 ms */
async function asks(from: Host | undefined, to: Host, bytes = 1): Promise<boolean> {
  const source = `const socket = require('node:dgram').createSocket('udp4')
    socket.on('message', () => process.exit(0))
    setTimeout(() => process.exit(1), 300)
    socket.send('?'.repeat(${bytes}), 7, '${to.address}')`
  const program = [process.execPath, ['-e', source]] as const
  const { command, args } = from?.command(...program) ?? { command: program[0], args: [...program[1]] }
  const [code] = await once(spawn(command, args, { stdio: 'ignore' }), 'exit')
  return code === 0
}
