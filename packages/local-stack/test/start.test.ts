import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'

t.setTimeout(120_000)

const program = fileURLToPath(new URL('../dist/start.js', import.meta.url))

t.test('a start that cannot succeed says why in one line, and exits with 1', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const free = { DATA_DIR: t.testdir(), ...Object.fromEntries(variables.map((name) => [name, '0'])) }
  const cases: [env: NodeJS.ProcessEnv, message: RegExp][] = [
    [{ ...free, GATEWAY_PORT: 'abc' }, /GATEWAY_PORT=abc/],
    [{ ...free, GATEWAY_PORT: String(port) }, new RegExp(`ports in use: ${port} \\(GATEWAY_PORT\\)`)],
    [{ ...free, MONGODB_URI: 'mongodb://x' }, /set both MONGODB_URI and MONGODB_READ_URI/],
  ]
  for (const [env, message] of cases) {
    const { code, stdout, stderr } = await start(env)
    t.match({ code, stdout }, { code: 1, stdout: /^$/ })
    t.match(stderr, message)
    t.match(stderr, /^error: [^\n]+\n$/)
  }
})

const variables = [
  'GATEWAY',
  'COMMAND_API',
  'QUERY_API',
  'PROJECTOR',
  'MONGODB',
  'MONGODB_READ',
  'NATS',
  'SMTP',
  'MAIL_WEB',
].map((name) => `${name}_PORT`)

function start(env: NodeJS.ProcessEnv): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program], { env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}
