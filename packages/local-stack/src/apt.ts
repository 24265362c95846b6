import { glob } from 'node:fs/promises'
import { run } from './run.ts'

/** Installs Debian packages. Needs root. */
export async function aptInstall(...packages: string[]): Promise<void> {
  const install = () => aptGet(['install', '--yes', '--no-install-recommends', ...packages])
  // The package lists of a machine may be empty or outdated.
  await install().catch(async () => {
    await aptGet(['update'])
    await install()
  })
}

/** Unpacks a Debian package into a directory, and installs nothing. Needs root only where package lists are missing. */
export async function aptUnpack(name: string, directory: string): Promise<void> {
  const download = () => aptGet(['download', name], directory)
  await download().catch(async () => {
    await aptGet(['update'])
    await download()
  })
  for await (const file of glob(`${directory}/*.deb`)) await run('dpkg-deb', ['--extract', file, directory])
}

function aptGet(args: string[], cwd?: string): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return run('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], { env, ...(cwd && { cwd }) })
}
