import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ownerOf } from '../once.ts'
import { lockIn } from '../stack/data-lock.ts'
import type { Ports } from '../stack/ports.ts'
import type { Admin } from './first-admin.ts'

/** What `npm run status` and `npm run tour` need to know of a system that `npm start` runs. It holds no secret. */
export type Running = {
  pid: number
  /** In RFC 3339. */
  readySince: string
  ports: Ports
  /** Whether the databases are part of this system, not given. */
  hasDatabases: boolean
  admin: Omit<Admin, 'password'>
}

const fileIn = (dataDir: string): string => join(dataDir, 'running.json')

/** Notes that the system is ready. @returns a function that removes the note */
export async function noteRunning(dataDir: string, running: Running): Promise<() => Promise<void>> {
  await writeFile(fileIn(dataDir), `${JSON.stringify(running, null, 2)}\n`, { mode: 0o600 })
  return () => rm(fileIn(dataDir), { force: true })
}

/** The system that runs in this directory; `starting` until it is ready, undefined if there is none. */
export async function readRunning(dataDir: string): Promise<Running | 'starting' | undefined> {
  const pid = await ownerOf(lockIn(dataDir))
  if (pid === undefined) return undefined
  const noted = await readFile(fileIn(dataDir), 'utf8').catch(() => 'null')
  const running = JSON.parse(noted) as Running | null
  // A note of another process is of one that was killed.
  return running?.pid === pid ? running : 'starting'
}
