import { cp, glob, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { aptInstall } from '../apt.ts'
import type { Log } from '../log.ts'
import { makeOnce, oneAtATime } from '../once.ts'
import { run } from '../run.ts'

/**
 * Ensures that wine for 64-bit programs is installed, and returns its version. Installs the Debian packages if this
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

/** A wine prefix (the directory that emulates a Windows machine). The first call creates it in about ten seconds. */
export async function winePrefix(cache: string, version: string, log: Log): Promise<string> {
  // One prefix for each version: another version would rewrite the files of the prefix, and the targets of its links.
  const prefix = join(cache, version.replaceAll(/[^\w.-]+/g, '-'))
  await makeOnce(prefix, async (draft) => {
    log('MongoDB: preparing wine (once, about ten seconds)…')
    const env = wineEnvironment(draft)
    await mkdir(join(draft, 'tmp'))
    await run('wineboot', ['-i'], { env })
    await run('wineserver', ['-w'], { env })
    await linkCopies(join(draft, 'drive_c/windows/system32'))
    await neverUpdate(draft)
  })
  await neverUpdate(prefix)
  return prefix
}

/** Copies a prefix, without its running processes, into a new directory. Takes 84 MB. */
export async function copyOfPrefix(prefix: string, directory: string): Promise<string> {
  const isShared = (file: string) => ![join(prefix, 'tmp'), join(prefix, 'wineserver')].includes(file)
  await cp(prefix, directory, { recursive: true, verbatimSymlinks: true, filter: isShared })
  await mkdir(join(directory, 'tmp'))
  await neverUpdate(directory)
  return directory
}

/** An update of the prefix would rewrite the files of wine itself through the links, under running servers. */
async function neverUpdate(prefix: string): Promise<void> {
  await writeFile(join(prefix, '.update-timestamp'), 'disable\n')
}

export function wineEnvironment(prefix: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    WINEPREFIX: prefix,
    WINEARCH: 'win64',
    // The processes of a prefix find their wineserver here; with different directories, each would start its own.
    TMPDIR: join(prefix, 'tmp'),
    WINEDEBUG: '-all',
    // Without these two, wine opens a dialog that offers to download Mono and Gecko.
    WINEDLLOVERRIDES: 'mscoree,mshtml=',
    DISPLAY: '',
  }
}

async function wineVersion(): Promise<string | undefined> {
  return run('wine', ['--version']).catch(() => undefined)
}

// A prefix contains copies of wine's libraries, 700 MB. Links to the originals work equally well.
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
