import { glob, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { eventually } from './eventually.ts'

/** For files that are fetched or unpacked once and shared by every checkout of the repository. */
export const cacheDirectory = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'cqrs-user-service')

const longestWorkMs = 15 * 60_000

/**
 * Creates the directory `target` by calling `make` with an empty directory to fill; does nothing if it exists. The
 * draft is renamed into place, so that `target` is always complete, even after a crash.
 */
export async function makeOnce(target: string, make: (draft: string) => Promise<void>): Promise<void> {
  if (await exists(target)) return
  await oneAtATime(`${target}.lock`, async () => {
    if (await exists(target)) return
    await removeDrafts(target)
    const draft = `${target}.${process.pid}.draft`
    try {
      await mkdir(draft)
      await make(draft)
      await rename(draft, target)
    } finally {
      await removeDrafts(target)
    }
  })
}

/** Runs `work` while no other process holds the lock. */
export async function oneAtATime(lock: string, work: () => Promise<void>): Promise<void> {
  const release = await takeLock(lock, longestWorkMs)
  try {
    await work()
  } finally {
    await release()
  }
}

/** Takes a lock (a directory) and returns its release. Waits while its owner lives. @throws after `timeoutMs` */
export async function takeLock(lock: string, timeoutMs: number): Promise<() => Promise<void>> {
  await mkdir(dirname(lock), { recursive: true })
  await eventually(() => take(lock), { timeoutMs, intervalMs: 200 })
  return () => rm(lock, { recursive: true, force: true })
}

// Drafts of this process and of killed ones. Children of those may still be writing: the next call removes the rest.
async function removeDrafts(target: string): Promise<void> {
  for await (const draft of glob(`${target}.*.draft`)) {
    await rm(draft, { recursive: true, force: true }).catch(() => {})
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await mkdir(lock)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (await isAbandoned(lock)) await rm(lock, { recursive: true, force: true })
    return false
  }
  await writeFile(join(lock, 'pid'), String(process.pid))
  return true
}

/** The process id of the lock's owner; undefined if nobody holds the lock. */
export async function ownerOf(lock: string): Promise<number | undefined> {
  const owner = await notedOwner(lock)
  return owner && isRunning(owner) ? owner : undefined
}

const notedOwner = async (lock: string): Promise<number> =>
  Number(await readFile(join(lock, 'pid'), 'utf8').catch(() => 0))

async function isAbandoned(lock: string): Promise<boolean> {
  const owner = await notedOwner(lock)
  if (owner) return !isRunning(owner)
  // The owner is written immediately after the directory is created.
  const age = await stat(lock)
    .then(({ mtimeMs }) => Date.now() - mtimeMs)
    .catch(() => 0)
  return age > 10_000
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
