import { glob, mkdir, readFile, rm, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { aptInstall } from '../apt.ts'
import { makeOnce, oneAtATime } from '../once.ts'
import { run } from '../run.ts'
import type { Log } from './mongod.ts'

/**
 * Makes sure that wine for 64-bit programs is there, and gives back its version. Installs Debian's packages when this
 * process runs as root.
 */
export async function requireWine(cache: string, log: Log): Promise<string> {
  const version = await wineVersion()
  if (version) return version
  if (process.getuid?.() !== 0) throw new Error('wine is not installed, and only root can install it')
  await oneAtATime(join(cache, 'apt.lock'), async () => {
    if (await wineVersion()) return
    log('MongoDB: installing wine (once, about a minute)…')
    await aptInstall('wine64', 'wine')
  })
  return await run('wine', ['--version'])
}

/** A wine prefix (the directory that plays the Windows machine), made at the first call: about ten seconds. */
export async function winePrefix(cache: string, version: string, log: Log): Promise<string> {
  // Another wine would rewrite the files of an older one's prefix, and with them what the links lead to.
  const prefix = join(cache, version.replaceAll(/[^\w.-]+/g, '-'))
  await makeOnce(prefix, async (draft) => {
    log('MongoDB: preparing wine (once, about ten seconds)…')
    const env = wineEnvironment(draft)
    await mkdir(join(draft, 'tmp'))
    await run('wineboot', ['-i'], { env })
    await run('wineserver', ['-w'], { env })
    await linkCopies(join(draft, 'drive_c/windows/system32'))
  })
  return prefix
}

export function wineEnvironment(prefix: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    WINEPREFIX: prefix,
    WINEARCH: 'win64',
    // All processes of a prefix meet here. In different places each would start a server of its own for the prefix.
    TMPDIR: join(prefix, 'tmp'),
    WINEDEBUG: '-all',
    // Without these two it would ask on the screen whether to download Mono and Gecko.
    WINEDLLOVERRIDES: 'mscoree,mshtml=',
    DISPLAY: '',
  }
}

async function wineVersion(): Promise<string | undefined> {
  return run('wine', ['--version']).catch(() => undefined)
}

// A prefix holds copies of wine's own libraries, 700 MB of them. Links to them do as well.
async function linkCopies(directory: string): Promise<void> {
  for await (const original of glob('/usr/lib/{,*/}wine/x86_64-windows/*')) {
    const copy = join(directory, original.slice(original.lastIndexOf('/') + 1))
    if (await isSame(original, copy)) {
      await rm(copy)
      await symlink(original, copy)
    }
  }
}

async function isSame(one: string, other: string): Promise<boolean> {
  const sizes = await Promise.all(
    [one, other].map((file) =>
      stat(file)
        .then(({ size }) => size)
        .catch(() => -1),
    ),
  )
  if (sizes[0] !== sizes[1]) return false
  const [first, second] = await Promise.all([readFile(one), readFile(other)])
  return first.equals(second)
}
