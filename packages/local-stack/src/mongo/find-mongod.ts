import { firstFound } from '../first-found.ts'
import { requireHost } from '../online.ts'
import { run } from '../run.ts'
import type { Log, Mongod, MongodSource } from './mongod.ts'
import { portableMongod } from './portable-mongod.ts'

const officialHost = 'fastdl.mongodb.org'

/** In order of preference: what the user installed, the official server, and what works on a closed network. */
export const mongodSources: readonly MongodSource[] = [
  { name: 'mongod on PATH', find: () => nativeMongod('mongod', 'mongod on PATH') },
  { name: 'downloaded before', find: downloadedMongod },
  { name: `download from ${officialHost}`, find: downloadMongod },
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

async function downloadMongod(log: Log): Promise<Mongod> {
  await requireHost(officialHost)
  log('MongoDB: downloading the official server (once)…')
  const { MongoBinary } = await import('mongodb-memory-server-core')
  return await nativeMongod(await MongoBinary.getPath(), 'official build')
}

// A binary that exists may not run, for example when a library is missing.
async function nativeMongod(command: string, origin: string): Promise<Mongod> {
  const version = (await run(command, ['--version'])).match(/db version v(\S+)/)?.[1]
  return { command, args: [], env: process.env, description: `MongoDB ${version ?? '(unknown version)'} (${origin})` }
}
