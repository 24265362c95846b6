import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { printTo } from './log.ts'
import { findMongod } from './mongo/find-mongod.ts'
import { startMongo } from './mongo/mongo-server.ts'
import { freePort } from './ports.ts'

/**
 * Runs `work` with an environment in which TEST_MONGODB_URI names a MongoDB server (administrator's rights, no
 * database), and stops the server afterwards. If the variable is already set, that server is used and keeps running.
 */
export async function withServers<T>(work: (environment: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  if (process.env.TEST_MONGODB_URI) return await work(process.env)
  const directory = await mkdtemp(join(tmpdir(), 'test-servers-'))
  try {
    const { server, rootUri } = await startMongo({
      name: 'mongodb',
      mongod: await findMongod(printTo(process.stderr)),
      dataDir: directory,
      logDir: directory,
      port: await freePort(),
      users: [],
    })
    try {
      return await work({ ...process.env, TEST_MONGODB_URI: rootUri() })
    } finally {
      await server.stop()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Runs a command on the terminal of this process, forwards SIGTERM to it, and returns its exit code. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: { env: NodeJS.ProcessEnv; cwd?: string },
): Promise<number> {
  const child = spawn(command, args, { ...options, stdio: 'inherit' })
  const forward = (signal: NodeJS.Signals) => child.kill(signal)
  process.on('SIGTERM', forward).on('SIGINT', stay)
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return code ?? 128 + constants.signals[signal ?? 'SIGKILL']
  } finally {
    process.off('SIGTERM', forward).off('SIGINT', stay)
  }
}

// Ctrl-C also reaches the command. This process waits until the command has ended, to stop the server.
function stay(): void {}
