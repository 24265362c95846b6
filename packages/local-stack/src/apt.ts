import { run } from './run.ts'

/** Installs packages of Debian, as root. */
export async function aptInstall(...packages: string[]): Promise<void> {
  const install = () => aptGet('install', '--yes', '--no-install-recommends', ...packages)
  // The lists of a fresh or an old machine may know nothing, or packages that are gone.
  await install().catch(async () => {
    await aptGet('update')
    await install()
  })
}

function aptGet(...args: string[]): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return run('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], { env })
}
