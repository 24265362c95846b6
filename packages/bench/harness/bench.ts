import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually, type Stack, startStack } from '@cqrs/local-stack'
import { type Db, MongoClient } from 'mongodb'
import type { LoadJob } from '../processes/load.ts'
import { inChild } from './in-child.ts'
import { type Memory, memoryOf } from './memory.ts'
import { type Contender, inTurns } from './rounds.ts'
import { seedUsers } from './seed.ts'
import type { Sample } from './statistics.ts'

/** How much to measure. */
export type Size = {
  users: number
  rounds: number
  /** Whether an uncounted round comes first. Without it the figures are those of code that has just started. */
  warmUp: boolean
  seconds: number
  events: number
  rebuilt: number
}

export const fullSize: Size = {
  users: 100_000,
  rounds: 3,
  warmUp: true,
  seconds: 5,
  events: 100_000,
  rebuilt: 1_000_000,
}
export const quickSize: Size = { users: 10_000, rounds: 1, warmUp: false, seconds: 1, events: 5_000, rebuilt: 20_000 }

/** The running system with its users, and the tools that measure it. */
export type Bench = {
  size: Size
  stack: Stack
  /** Directly to each service, without the gateway of the local stack, which is not measured. */
  commandUrl: string
  queryUrl: string
  jwksFile: string
  dataDir: string
  write: Db
  read: Db
  /** The ids of the seeded users, ascending. */
  ids: string[]
  /** Memory of each service before its first request. */
  idle: Memory
  say: (line: string) => void
  /** An access token that is valid for an hour. */
  token: () => Promise<string>
  load: (job: LoadJob) => Promise<Sample>
  compare: <Name extends string>(contenders: Record<Name, Contender>) => Promise<Record<Name, Sample[]>>
}

/** Starts the system as `npm start` runs it, with data of its own, and seeds it. */
export async function startBench(
  size: Size,
  say: (line: string) => void,
): Promise<Bench & { stop: () => Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'bench-'))
  const stack = await startStack({ dataDir, settings, onProgress: say })
  const clients = [new MongoClient(stack.uris.write), new MongoClient(stack.uris.read)] as const
  const [write, read] = [clients[0].db(), clients[1].db()]
  const serviceUrl = (name: 'command-api' | 'query-api') => `http://127.0.0.1:${stack.ports[name]}`
  await delay(settleMs)
  const idle = memoryOf(stack)
  const token = () => adminToken(serviceUrl('command-api'))
  await token()
  return {
    size,
    stack,
    commandUrl: serviceUrl('command-api'),
    queryUrl: serviceUrl('query-api'),
    jwksFile: join(dataDir, 'keys/jwks.json'),
    dataDir,
    write,
    read,
    ids: await seedUsers(size.users, { write, read }, say),
    idle,
    say,
    token,
    load: (job) => inChild('load', job),
    compare: (contenders) => inTurns(contenders, { ...size, say }),
    async stop() {
      await Promise.all(clients.map((client) => client.close()))
      await stack.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

const admin = { email: 'bench@example.com', password: 'password123' }

const settings = {
  ADMIN_EMAIL: admin.email,
  ADMIN_PASSWORD: admin.password,
  // This process would read each line, on the same cores.
  LOG_LEVEL: 'warn',
  ACCESS_TOKEN_TTL_SECONDS: '3600',
  // The seeded users are equal on both sides; comparing them would only compete with what is measured.
  VERIFY_EVERY_SECONDS: '86400',
}

/** Until the work that follows a start is done. */
const settleMs = 3_000

/** Logs in as the first admin, who may change every user. command-api creates it after its start. */
async function adminToken(commandUrl: string): Promise<string> {
  const response = await eventually(
    async () => {
      const answer = await fetch(`${commandUrl}/api/v1/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(admin),
      })
      return answer.ok && answer
    },
    { timeoutMs: 30_000 },
  )
  const { accessToken } = (await response.json()) as { accessToken: string }
  return accessToken
}

export const readText = (file: string): string => readFileSync(file, 'utf8')
