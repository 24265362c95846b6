import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Those that reach a running system, and what they say if its database does not answer. */
const commands: Record<string, string[]> = {
  'admin:create': ['x@example.com'],
  'users:restored': [],
  projector: ['dlq', 'list'],
}

t.test('without a system that was ever started, each command names `npm start`', async (t) => {
  const DATA_DIR = t.testdir()
  for (const [name, args] of Object.entries({ ...commands, 'keys:rotate': [] })) {
    const { code, output } = await npmRun(name, args, { DATA_DIR })
    t.equal(code, 1, name)
    t.match(output, /^(error: )?no[^\n]+`npm start`[^\n]*\n$/, name)
  }
  t.match(await npmRun('seed', [], { DATA_DIR }), { code: 1, output: /^nothing runs in \S+: run `npm start`.*\n$/ })
  t.match(await npmRun('status', [], { DATA_DIR }), {
    code: 1,
    output: `nothing runs in ${DATA_DIR}: run \`npm start\`\n`,
  })
})

t.test('a database that does not answer is named, without its password, and `npm start`', async (t) => {
  const port = await closedPort()
  const DATA_DIR = dataWith(t, {
    MONGODB_URI: `mongodb://me:top-secret@127.0.0.1:${port}/users`,
    MONGODB_READ_URI: `mongodb://me:top-secret@127.0.0.1:${port}/users`,
    NATS_URL: `nats://127.0.0.1:${port}`,
    JWT_SIGNING_KEY_FILE: '/nowhere',
    JWKS_FILE: '/nowhere',
  })
  const runs = Object.entries(commands).map(async ([name, args]) => {
    const { code, output } = await npmRun(name, args, { DATA_DIR })
    t.equal(code, 1, name)
    t.match(output, `the database at 127.0.0.1:${port} does not answer: ECONNREFUSED`, name)
    t.match(output, `\nNo system runs in ${DATA_DIR}: \`npm start\`, in another terminal, starts it.\n`, name)
    t.notMatch(output, /top-secret|Mongo|at .*\.js/, name)
  })
  await Promise.all(runs)
  t.match(await npmRun('keys:rotate', [], { DATA_DIR }), { code: 1, output: /no such file.*\/nowhere/ })
})

t.test('settings in the environment take precedence, and nothing is said of a system here', async (t) => {
  const port = await closedPort()
  const MONGODB_URI = `mongodb://127.0.0.1:${port}/users`
  const DATA_DIR = dataWith(t, { MONGODB_URI: 'mongodb://127.0.0.1:1/users' })
  t.match(await npmRun('users:restored', [], { DATA_DIR, MONGODB_URI }), {
    output: `database at 127.0.0.1:${port} does`,
  })
  t.notMatch((await npmRun('users:restored', [], { DATA_DIR, MONGODB_URI })).output, 'npm start')
  t.match(await npmRun('admin:create', ['x@example.com'], { MONGODB_URI, DATA_DIR: t.testdir() }), {
    output: /^invalid settings: .*JWT_SIGNING_KEY_FILE is not set/,
  })
})

/** A folder in which `npm start` has written these settings. */
function dataWith(t: Test, settings: Record<string, string>): string {
  const directory = t.testdir()
  mkdirSync(join(directory, 'env'))
  const lines = Object.entries(settings).map(([name, value]) => `${name}='${value}'\n`)
  for (const name of ['command-api', 'operator']) writeFileSync(join(directory, `env/${name}.env`), lines.join(''))
  return directory
}

const closedPort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

function npmRun(name: string, args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number; output: string }> {
  const options = { cwd: root, env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env } }
  return new Promise((resolve) => {
    execFile('npm', ['run', '--silent', name, '--', ...args], options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    )
  })
}
