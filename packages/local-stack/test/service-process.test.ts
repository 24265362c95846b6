import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newKey, publicJwk } from '@cqrs/service-kit'
import t, { type Test } from 'tap'
import { eventually, freePort, runProgram, startProcess, startProgram } from '../src/testing.ts'

t.test('a service runs as in production, and a test sees what it logs, answers and how it ends', async (t) => {
  const { url, server, lines, logs, get, metrics, terminate } = await startProcess(t, 'query-api', await settings(t))
  t.match(await get('/readyz'), { status: 503, body: { status: 'unready', checks: { mongodb: 'down' } } })
  t.match(await metrics(), /^process_cpu_seconds_total /m)
  await server.restart()
  t.match(await get('/healthz'), { status: 200 }, 'it listens on the same port again')
  t.equal(await terminate(), 'exit code 0')
  t.equal(server.pid, undefined)
  t.strictSame(
    logs,
    lines.map((line) => JSON.parse(line)),
  )
  t.match(JSON.stringify(logs), url)
})

t.test('a service that does not start fails its test with its output', async (t) => {
  await t.rejects(startProcess(t, 'query-api', {}), { message: /did not start: exit code 1.*JWKS_FILE/s })
})

t.test('no service outlives its test', async (t) => {
  let pid = 0
  await t.test('starts one', async (t) => {
    pid = Number((await startProcess(t, 'query-api', await settings(t))).server.pid)
  })
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

t.test('a program runs to its end', async (t) => {
  const { code, output, stdout, stderr } = await runProgram('operator', 'cli.js', ['no-such-command'], {
    MONGODB_READ_URI: await unreachable(),
    NATS_URL: `nats://127.0.0.1:${await freePort()}`,
  })
  t.match({ code, stdout, output }, { code: 2, stdout: '', output: stderr })
  t.match(stderr, /^error: unknown command/)
})

t.test('a program can be ended by a signal', async (t) => {
  const { child, ended } = startProgram('query-api', 'main.js', [], await settings(t))
  let output = ''
  child.stdout?.on('data', (text) => (output += text))
  await eventually(() => output !== '')
  child.kill('SIGKILL')
  t.match(await ended, { code: null, output })
})

async function settings(t: Test): Promise<NodeJS.ProcessEnv> {
  const JWKS_FILE = join(t.testdir(), 'jwks.json')
  await writeFile(JWKS_FILE, JSON.stringify({ keys: [publicJwk(newKey())] }))
  return { JWKS_FILE, MONGODB_READ_URI: await unreachable(), PORT: String(await freePort()) }
}

const unreachable = async (): Promise<string> => `mongodb://127.0.0.1:${await freePort()}/read`
