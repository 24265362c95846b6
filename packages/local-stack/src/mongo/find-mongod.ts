import { join } from 'node:path'
import { downloadOnce } from '../download.ts'
import { firstFound } from '../first-found.ts'
import type { Log } from '../log.ts'
import { run } from '../run.ts'
import type { Mongod, MongodSource } from './mongod.ts'
import { portableMongod } from './portable-mongod.ts'

/** In order of preference: what the user installed, the official server, and what works on a closed network. */
export const mongodSources: readonly MongodSource[] = [
  { name: 'mongod on PATH', find: () => nativeMongod('mongod', 'mongod on PATH') },
  { name: 'downloaded before', find: downloadedMongod },
  { name: 'official download', find: downloadMongod },
  { name: 'Windows build under wine', find: portableMongod },
]

/** Finds a server. @throws with instructions, and with the reason why each source has none */
export async function findMongod(log: Log, sources = mongodSources): Promise<Mongod> {
  return await firstFound(sources, log).catch(({ message }) => {
    throw new Error(
      `no MongoDB server found. Install MongoDB so that mongod is on PATH, or set MONGODB_URI and MONGODB_READ_URI ` +
        `to running servers (${message})`,
    )
  })
}

async function downloadedMongod(): Promise<Mongod> {
  const { DryMongoBinary } = await import('mongodb-memory-server-core')
  const binary = await DryMongoBinary.locateBinary(DryMongoBinary.getEnsuredOptions())
  if (!binary) throw new Error('no download found')
  return await nativeMongod(binary, 'official build')
}

// The library knows which build a system needs, and its settings (MONGOMS_…). It does not verify the certificate of the
// server by default, and it would take an archive that is damaged for a good one at the next start.
async function downloadMongod(log: Log): Promise<Mongod> {
  const { DryMongoBinary } = await import('mongodb-memory-server-core')
  const { MongoBinaryDownloadUrl } = await import('mongodb-memory-server-core/lib/util/MongoBinaryDownloadUrl.js')
  const url = await new MongoBinaryDownloadUrl(await DryMongoBinary.generateOptions()).getDownloadUrl()
  const archive = { name: 'MongoDB', url, sumsUrl: `${url}.sha256`, without: '*/mongos' }
  return await nativeMongod(join(await downloadOnce(archive, log), 'bin/mongod'), 'official build')
}

// A binary that exists may not run, for example when a library is missing.
async function nativeMongod(command: string, origin: string): Promise<Mongod> {
  const version = (await run(command, ['--version'])).match(/db version v(\S+)/)?.[1]
  return { command, args: [], env: process.env, description: `MongoDB ${version ?? '(unknown version)'} (${origin})` }
}
