import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const program = fileURLToPath(new URL('../fixtures/process.ts', import.meta.url))

for (const [act, line] of [
  ['wrong setting', /^invalid settings: A_FILE is not set; A_PORT [^\n]*\n$/],
  ['missing file', /^ENOENT[^\n]*\/nowhere\/key\.pem[^\n]*\n$/],
  ['wrong file', /^the key file holds no key\n$/],
  ['wrong start', /^the port is in use\n$/],
] as const) {
  t.test(`an operator error is one line and exit code 1: ${act}`, async (t) => {
    const { code, stdout, stderr } = await start(t, act, { A_PORT: 'x' }).ended
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, line)
  })
}

t.test('a program error keeps its stack', async (t) => {
  const { code, stderr } = await start(t, 'fault').ended
  t.equal(code, 1)
  t.match(stderr, /TypeError: a fault of the program\n\s+at /)
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} closes the service, then the process exits with code 0`, async (t) => {
    const { said, child, ended } = start(t, 'serve')
    await said('serving')
    child.kill(signal)
    const { code, stdout } = await ended
    t.equal(code, 0)
    t.strictSame(messages(stdout), ['serving', 'closing', 'closes'])
  })
}

t.test('a close that never returns does not keep the process alive', async (t) => {
  const { said, child, ended } = start(t, 'serve and hang')
  await said('serving')
  child.kill('SIGTERM')
  const { code, stdout } = await ended
  t.equal(code, 1)
  t.match(messages(stdout).at(-1), /killed by timeout/)
})

t.test('a close that fails is logged', async (t) => {
  const { said, child, ended } = start(t, 'serve and fail')
  await said('serving')
  child.kill('SIGTERM')
  const { code, stdout } = await ended
  t.equal(code, 1)
  t.match(messages(stdout).at(-1), 'does not close')
})

t.test('an uncaught error closes the service, and the exit code is 1', async (t) => {
  const { said, child, ended } = start(t, 'serve and break when told')
  await said('serving')
  child.stdin.write('now')
  const { code, stdout } = await ended
  t.equal(code, 1)
  t.strictSame(messages(stdout), ['serving', 'closing after an error', 'closes'])
  t.match(stdout, 'broken under way')
})

const messages = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).msg)

function start(t: Test, act: string, env: Record<string, string> = {}) {
  const { NODE_COMPILE_CACHE } = process.env
  const child = spawn(process.execPath, [program, act], { env: { NODE_COMPILE_CACHE, ...env } })
  t.teardown(() => child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stderr.on('data', (data) => {
    output.stderr += data
  })
  child.stdout.on('data', (data) => {
    output.stdout += data
    child.emit('output')
  })
  return {
    child,
    ended: once(child, 'close').then(([code]) => ({ code: code as number, ...output })),
    said: async (text: string) => {
      while (!output.stdout.includes(text)) await once(child, 'output')
    },
  }
}
