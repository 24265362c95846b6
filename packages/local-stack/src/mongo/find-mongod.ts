import { lookup } from 'node:dns/promises'
import { DryMongoBinary, MongoBinary } from 'mongodb-memory-server-core'
import { run } from '../run.ts'
import type { Log, Mongod, MongodSource } from './mongod.ts'
import { portableMongod } from './portable-mongod.ts'

const officialHost = 'fastdl.mongodb.org'

/** In the order of preference: what the user installed, the official server, and what works on a closed network. */
export const mongodSources: readonly MongodSource[] = [
  { name: 'mongod on PATH', find: () => nativeMongod('mongod', 'mongod on PATH') },
  { name: 'downloaded before', find: downloadedMongod },
  { name: `download from ${officialHost}`, find: downloadMongod },
  { name: 'Windows build under wine', find: portableMongod },
]

/** The first server that one of the sources has. Fails with what to do, and why each source had none. */
export async function findMongod(log: Log, sources = mongodSources): Promise<Mongod> {
  const reasons: string[] = []
  for (const { name, find } of sources) {
    try {
      return await find(log)
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message : error}`)
    }
  }
  throw new Error(
    `no MongoDB server found. Install MongoDB so that mongod is on PATH, or set MONGODB_URI and MONGODB_READ_URI ` +
      `to servers that run already (${reasons.join('; ')})`,
  )
}

async function downloadedMongod(): Promise<Mongod> {
  const binary = await DryMongoBinary.locateBinary(DryMongoBinary.getEnsuredOptions())
  if (!binary) throw new Error('nothing there')
  return await nativeMongod(binary, 'official build')
}

async function downloadMongod(log: Log): Promise<Mongod> {
  // The download retries for seven seconds where there is no network, and says nothing meanwhile.
  const patience = AbortSignal.timeout(2_000)
  await Promise.race([
    lookup(officialHost),
    new Promise((_, reject) => patience.addEventListener('abort', () => reject(new Error('no answer from DNS')))),
  ])
  log('MongoDB: downloading the official server (once)…')
  return await nativeMongod(await MongoBinary.getPath(), 'official build')
}

// A binary that is there may still not run, for example when a library is missing.
async function nativeMongod(command: string, origin: string): Promise<Mongod> {
  const version = (await run(command, ['--version'])).match(/db version v(\S+)/)?.[1]
  return { command, args: [], env: process.env, description: `MongoDB ${version ?? '(unknown version)'} (${origin})` }
}
