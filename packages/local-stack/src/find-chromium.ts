import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { aptInstall } from './apt.ts'
import { firstFound, type Source } from './first-found.ts'
import type { Log } from './log.ts'
import { requireHost } from './online.ts'
import { run } from './run.ts'

const host = 'cdn.playwright.dev'

/** In order of preference: what the user installed, the build of the library, and Debian's. */
export const chromiumSources: readonly Source<string>[] = [
  { name: 'PATH', find: onPath },
  { name: 'downloaded before', find: downloaded },
  { name: `download from ${host}`, find: download },
  { name: 'Debian package', find: ofDebian },
]

/**
 * The path of a Chromium or Chrome: the one that CHROMIUM names, else the first that is found.
 * @throws with instructions, and with the reason why each source has none
 */
export async function findChromium(log: Log, sources = chromiumSources): Promise<string> {
  if (process.env.CHROMIUM) return await runnable(process.env.CHROMIUM)
  return await firstFound(sources, log).catch(({ message }) =>
    fail(`no Chromium found. Install it so that chromium is on PATH, or set CHROMIUM to its path (${message})`),
  )
}

async function onPath(): Promise<string> {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']) {
      const path = join(directory, name)
      if (existsSync(path) && (await runnable(path).catch(() => undefined))) return path
    }
  }
  return fail('no chromium, chromium-browser or google-chrome')
}

async function downloaded(): Promise<string> {
  const { chromium } = await import('playwright-core')
  return await runnable(chromium.executablePath())
}

async function download(log: Log): Promise<string> {
  const mirror = process.env.PLAYWRIGHT_DOWNLOAD_HOST
  await requireHost(mirror ? new URL(mirror).hostname : host)
  log('Chromium: downloading the build of playwright-core (once)…')
  const cli = fileURLToPath(new URL('cli.js', import.meta.resolve('playwright-core/package.json')))
  await run(process.execPath, [cli, 'install', '--no-shell', 'chromium'], {
    onOutput: (text) => {
      for (const [, percent, total] of text.matchAll(/(\d+)% of (\S+ \S+)/g))
        log(`Chromium: ${percent} % of ${total}`, true)
    },
  })
  return await downloaded()
}

async function ofDebian(log: Log): Promise<string> {
  if (process.getuid?.() !== 0) fail('needs root')
  log('Chromium: installing the Debian package (once, 100 MB)…')
  await aptInstall('chromium')
  return await onPath()
}

// A binary that exists may not run, for example when a library is missing.
async function runnable(path: string): Promise<string> {
  await run(path, ['--version'])
  return path
}

function fail(reason: string): never {
  throw new Error(reason)
}
