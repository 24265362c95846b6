import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { freshDatabase } from './fresh-database.ts'
import { freshDirectory } from './fresh-directory.ts'
import type { Teardown } from './teardown.ts'

const program = fileURLToPath(new URL('../../dist/start.js', import.meta.url))

/** Settings of `npm start`: every part on a free port. */
export const freePorts = Object.fromEntries(
  [
    'GATEWAY',
    'COMMAND_API',
    'QUERY_API',
    'PROJECTOR',
    'OPERATOR',
    'MONGODB',
    'MONGODB_READ',
    'NATS',
    'SMTP',
    'MAIL_WEB',
  ].map((name) => [`${name}_PORT`, '0']),
)

/** An environment for `npmStart`: a new directory, new databases, and no admin of the settings. */
export async function freshEnvironment(t: Teardown): Promise<NodeJS.ProcessEnv & { DATA_DIR: string }> {
  const [write, read] = [await freshDatabase(t), await freshDatabase(t)]
  return {
    ...freePorts,
    DATA_DIR: await freshDirectory(t),
    MONGODB_URI: write.uri,
    MONGODB_READ_URI: read.uri,
    ADMIN_EMAIL: '',
    ADMIN_PASSWORD: '',
  }
}

/** Starts the system as `npm start` does once everything is built, and waits for the end of what it says. */
export async function npmStart(t: Teardown, env: NodeJS.ProcessEnv): Promise<{ said: string; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  t.teardown(async () => child.exitCode === null && stop())
  process.once('exit', () => child.kill())
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
    if (said.includes('More to look at:')) child.emit('ready')
  })
  await Promise.race([once(child, 'ready'), ended])
  if (child.exitCode !== null) throw new Error(`it did not start: ${said}`)
  return { said, stop }
}
