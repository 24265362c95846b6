import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ChildServer } from '../child-server.ts'

export type ServiceName = 'command-api' | 'projector' | 'query-api'
export type Environment = Record<string, string>

export type ServiceOptions = {
  name: ServiceName
  port: number
  /** The connections and keys of this service; kept in `envFile`, so that commands reach the running system. */
  own: Environment
  envFile: string
  /** Wins over `own`, and is not kept. */
  overrides: Environment
  /** Settings for any service. Connections and secrets among them are left out. */
  settings: NodeJS.ProcessEnv
  onLine: (line: string) => void
}

/** Runs the `migrate` of a service to its end: what it needs of databases and broker is there then. */
export async function migrate({ name, own, settings }: MigrateOptions): Promise<void> {
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, ...withoutConnections(settings), ...own }
  const { command, args } = programOf(name, 'migrate')
  const running = execute(command, args, { env })
  const end = () => running.child.kill()
  process.once('exit', end)
  try {
    await running
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`the set-up of ${name} failed: ${lastLine(stderr) || lastLine(stdout)}`, { cause: error })
  } finally {
    process.off('exit', end)
  }
}

type MigrateOptions = { name: 'command-api' | 'projector' } & Pick<ServiceOptions, 'own' | 'settings'>

const execute = promisify(execFile)
const lastLine = (text: string) => text.trim().split('\n').at(-1)

/** Starts one of the three services. It answers /healthz when this returns. */
export async function startService(options: ServiceOptions): Promise<{ server: ChildServer }> {
  const { name, port, own, envFile, overrides, settings, onLine } = options
  await writeEnvironment(envFile, own)
  const { PATH, HOME } = process.env
  const server = new ChildServer({
    name,
    ...programOf(name),
    env: {
      PATH,
      HOME,
      // Node's threads are few: one heap of the C library is enough for all of them, and what one frees the next can use.
      MALLOC_ARENA_MAX: '1',
      ...withoutConnections(settings),
      HOST: '127.0.0.1',
      PORT: String(port),
      ...own,
      ...overrides,
    },
    output: onLine,
    ready: async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok,
    stopTimeoutMs: 15_000,
  })
  await server.start()
  return { server }
}

/**
 * How a service, its `migrate` or its command line is run. On a large machine Node lets garbage pile up to gigabytes before it collects
 * any: so it is told the bounds that it sets by itself in a container of 384 MiB.
 */
export function programOf(
  name: ServiceName,
  file: 'main' | 'migrate' | 'cli' = 'main',
): { command: string; args: string[] } {
  return {
    command: process.execPath,
    args: ['--max-old-space-size=192', '--max-semi-space-size=4', distFile(name, `${file}.js`)],
  }
}

/** A built file of a service, by its path below `dist`. */
export const distFile = (name: ServiceName, file: string): string =>
  fileURLToPath(new URL(`../../../../services/${name}/dist/${file}`, import.meta.url))

async function writeEnvironment(file: string, environment: Environment): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const lines = Object.entries(environment).map(([name, value]) => `${name}='${value}'\n`)
  await writeFile(file, lines.join(''), { mode: 0o600 })
}

// No service is to learn another one's credentials from the environment that `npm start` was called in.
const connections = /^(MONGODB_(READ_)?URI|NATS_URL|SMTP_URL|JWT_SIGNING_KEY_FILE|JWKS_FILE|ADMIN_\w+|NODE_OPTIONS)$/

function withoutConnections(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !connections.test(name)))
}
