import { join } from 'node:path'
import t from 'tap'
import { ChildServer } from '../src/child-server.ts'
import { eventually } from '../src/eventually.ts'
import { freePort, isListening } from '../src/ports.ts'

t.test('a server that ends before it is ready fails at once, with the end of its output', async (t) => {
  for (const output of [join(t.testdir(), 'server.log'), () => {}]) {
    const server = child('console.log("first"); console.error("no such setting: x"); process.exit(3)', {
      output,
      ready: () => Promise.reject(new Error('not ready')),
    })
    await t.rejects(server.start(), { message: /did not start: exit code 3.*first\nno such setting: x/s })
    t.equal(server.pid, undefined)
  }
})

t.test('a command that does not exist is said to be missing', async (t) => {
  const server = new ChildServer({
    name: 'x',
    command: 'no-such-command',
    args: [],
    output: () => {},
    ready: async () => {},
  })
  await t.rejects(server.start(), { message: /x did not start: .*no-such-command ENOENT/ })
})

t.test('a server that does not become ready in time is killed', async (t) => {
  const server = child('setInterval(() => {}, 1000)', {
    ready: () => Promise.reject(new Error('no answer')),
    readyTimeoutMs: 100,
  })
  await t.rejects(server.start(), { message: /did not start: gave up after 100 ms: no answer/ })
  t.equal(server.pid, undefined)
})

t.test('a server starts once what its predecessor held is free', async (t) => {
  let asked = 0
  const lines: string[] = []
  const server = child('console.log("started"); setInterval(() => {}, 1000)', {
    output: (line) => lines.push(line),
    isClear: async () => {
      t.strictSame(lines, [])
      return ++asked === 3
    },
    ready: async () => lines.length > 0,
  })
  await server.start()
  t.equal(asked, 3)
  await server.stop()
})

t.test('a server can be stopped, killed and started again as it was', async (t) => {
  const port = await freePort()
  const lines: string[] = []
  const server = listening(port, { output: (line) => lines.push(line) })
  t.teardown(() => server.kill())
  const pids = new Set<number | undefined>()
  for (const end of ['stop', 'kill', 'stop'] as const) {
    await server.start()
    t.ok(await isListening(port))
    pids.add(server.pid)
    await server[end]()
    t.equal(server.pid, undefined)
    t.notOk(await isListening(port))
  }
  await server.start()
  await server.restart()
  pids.add(server.pid)
  t.equal(pids.size, 4)
  t.equal(lines.filter((line) => line === 'asked to stop').length, 3, 'a kill asks nothing')
  await t.rejects(server.start(), { message: 'test server runs already' })
})

t.test('a server that does not want to stop is killed', async (t) => {
  const server = listening(await freePort(), { stopSignal: 'SIGWINCH', stopTimeoutMs: 100 })
  await server.start()
  await server.stop()
  t.equal(server.pid, undefined)
})

t.test('a crash is reported, an end that was asked for is not', async (t) => {
  const server = listening(await freePort())
  const crashes: string[] = []
  server.onCrash = (message) => crashes.push(message)
  for (const end of ['stop', 'kill'] as const) {
    await server.start()
    await server[end]()
  }
  t.strictSame(crashes, [])
  await server.start()
  process.kill(Number(server.pid), 'SIGKILL')
  await eventually(() => crashes.length > 0)
  t.match(crashes, ['test server ended unexpectedly (killed by SIGKILL)'])
})

type Options = Partial<ConstructorParameters<typeof ChildServer>[0]>

function child(script: string, options: Options = {}): ChildServer {
  return new ChildServer({
    name: 'test server',
    command: process.execPath,
    args: ['--eval', script],
    output: () => {},
    ready: async () => {},
    ...options,
  })
}

function listening(port: number, options: Options = {}): ChildServer {
  const script = `
    const server = require('node:http').createServer().listen(${port}, '127.0.0.1')
    process.on('SIGTERM', () => { console.log('asked to stop'); server.close() })`
  return child(script, { ready: () => isListening(port), ...options })
}
