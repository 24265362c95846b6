import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ChildServer } from '../child-server.ts'
import { compileCache } from '../compile-cache.ts'

export type ServiceName = 'command-api' | 'projector' | 'query-api'
/** A process that need not run: the operator's console and command line. */
export type ProgramName = ServiceName | 'operator'
export type Environment = Record<string, string>

export type ServiceOptions = {
  name: ProgramName
  /** The folder of the built release; default: this one. */
  release?: string | undefined
  port: number
  /**
   * The connections and keys of this service. They are written to `envFile`, so that commands reach the running system.
   */
  own: Environment
  envFile: string
  /** Takes precedence over `own`, and is not written to `envFile`. */
  overrides: Environment
  /** Settings for every service. Connections and secrets are removed from them. */
  settings: NodeJS.ProcessEnv
  onLine: (line: string) => void
}

/** Runs the `migrate` of a service, which creates what the service needs in the database and the broker. */
export async function migrate({ name, release, own, settings }: MigrateOptions): Promise<void> {
  const env = { ...inherited(), ...withoutConnections(settings), ...own }
  const { command, args } = programOf(name, 'migrate', release)
  const running = execute(command, args, { env })
  const end = () => running.child.kill()
  process.once('exit', end)
  try {
    await running
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`migrate of ${name} failed: ${lastLine(stderr) || lastLine(stdout)}`, { cause: error })
  } finally {
    process.off('exit', end)
  }
}

function inherited(): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env
  return { PATH, HOME, ...compileCache }
}

type MigrateOptions = { name: 'command-api' | 'projector' } & Pick<ServiceOptions, 'release' | 'own' | 'settings'>

const execute = promisify(execFile)
const lastLine = (text: string) => text.trim().split('\n').at(-1)

/** Starts a service and waits until it answers /healthz. */
export async function startService(options: ServiceOptions): Promise<{ server: ChildServer }> {
  const { name, release, port, own, envFile, overrides, settings, onLine } = options
  await writeEnvironment(envFile, own)
  const server = new ChildServer({
    name,
    ...programOf(name, 'main', release),
    env: {
      ...inherited(),
      // One malloc arena serves the few threads of Node, and memory that one frees can be used by the others.
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
 * The command that runs a service, its `migrate` or its command line. On a large machine Node would let its heap grow
 * to gigabytes; these are the limits that it sets by itself in a container of 384 MiB.
 */
export function programOf(
  name: ProgramName,
  file: 'main' | 'migrate' | 'cli' = 'main',
  release?: string,
): { command: string; args: string[] } {
  return {
    command: process.execPath,
    args: ['--max-old-space-size=192', '--max-semi-space-size=4', distFile(name, `${file}.js`, release)],
  }
}

/** The path of a built file of a service. @param file its path below `dist` @param release a folder */
export const distFile = (name: ProgramName, file: string, release = thisRelease): string =>
  join(release, name === 'operator' ? 'packages' : 'services', name, 'dist', file)

const thisRelease = fileURLToPath(new URL('../../../..', import.meta.url))

export async function writeEnvironment(file: string, environment: Environment): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const lines = Object.entries(environment).map(([name, value]) => `${name}='${value}'\n`)
  await writeFile(file, lines.join(''), { mode: 0o600 })
}

// A service must not get the credentials of another from the environment of `npm start`.
const connections = /^(MONGODB_(READ_)?URI|NATS_\w+|SMTP_URL|JWT_SIGNING_KEY_FILE|JWKS_FILE|ADMIN_\w+|NODE_OPTIONS)$/

function withoutConnections(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !connections.test(name)))
}
