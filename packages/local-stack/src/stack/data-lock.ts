import { join } from 'node:path'
import type { Log } from '../mongo/mongod.ts'
import { takeLock } from '../once.ts'

/**
 * Takes the data directory for this process alone, and gives back how to release it. One that has just been told to stop
 * is waited for: whoever started it may not have waited.
 */
export async function lockData(dataDir: string, log: Log): Promise<() => Promise<void>> {
  const lock = join(dataDir, 'lock')
  try {
    return await takeLock(lock, 500).catch(() => {
      log(`Another start uses ${dataDir}; waiting for it to stop…`)
      return takeLock(lock, 10_000)
    })
  } catch {
    throw new Error(`${dataDir} is in use by another start: stop that first. If there is none, remove ${lock}`)
  }
}
