import { run } from './run.ts'

/** Installs Debian packages. Needs root. */
export async function aptInstall(...packages: string[]): Promise<void> {
  const install = () => aptGet('install', '--yes', '--no-install-recommends', ...packages)
  // The package lists of a machine may be empty or outdated.
  await install().catch(async () => {
    await aptGet('update')
    await install()
  })
}

function aptGet(...args: string[]): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return run('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], { env })
}
