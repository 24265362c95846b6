import { join } from 'node:path'
import { cacheDirectory, takeLock } from '../once.ts'

/**
 * Held while a browser is open, and while the addresses of the machine change: then Chromium aborts the connections
 * that it is opening (`net::ERR_NETWORK_CHANGED`), and a page of many modules stays empty.
 * @returns its release
 */
export const takeBrowserLock = (): Promise<() => Promise<void>> =>
  takeLock(join(cacheDirectory, 'browser.lock'), 280_000)

/** Changes addresses while no browser is open. */
export async function whileNoBrowser<Result>(change: () => Promise<Result>): Promise<Result> {
  const release = await takeBrowserLock()
  try {
    return await change()
  } finally {
    await release()
  }
}
