import { join } from 'node:path'
import type { Log } from '../log.ts'
import { takeLock } from '../once.ts'

export const lockIn = (dataDir: string): string => join(dataDir, 'lock')

/**
 * Locks the data directory for this process, and returns its release. Waits ten seconds for an earlier start, which may
 * still be stopping.
 */
export async function lockData(dataDir: string, log: Log): Promise<() => Promise<void>> {
  const lock = lockIn(dataDir)
  try {
    return await takeLock(lock, 500).catch(() => {
      log(`Another process uses ${dataDir}; waiting for it to stop…`)
      return takeLock(lock, 10_000)
    })
  } catch {
    throw new Error(`${dataDir} is in use by another process: stop it first. If there is none, remove ${lock}`)
  }
}
