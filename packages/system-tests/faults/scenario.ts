import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Stack, startStack } from '@cqrs/local-stack'
import { eventually, type FreshMail, freshMail } from '@cqrs/local-stack/testing'
import { publicJwk } from '@cqrs/service-kit'
import { createSigner } from 'fast-jwt'
import { type Db, MongoClient } from 'mongodb'
import { lostCommands, untilWhole } from './comparison.ts'
import { type Acknowledged, startLoad } from './load.ts'
import { type Random, randomFrom } from './random.ts'

/** One row of the report. */
export type Outcome = {
  scenario: string
  rounds: number
  acknowledged: number
  /** Acknowledged commands that the write model does not show, and why. */
  lost: string[]
  /** Users that got more than one welcome e-mail. */
  doubled: string[]
  /** Living registered users that got none. */
  unwelcomed: string[]
  /** The longest time from the end of a fault until the read model was whole again. */
  longestRecoveryMs: number
}

export type World = {
  stack: Stack
  random: Random
  write: Db
  read: Db
  mail: FreshMail
}

export type Scenario = {
  name: string
  /** How often the fault comes, in the long form. */
  rounds: number
  /** Does its harm and ends it; the load goes on meanwhile. */
  fault: (world: World, round: number) => Promise<void>
  /** Environment variables of single services. */
  env?: NonNullable<Parameters<typeof startStack>[0]['env']>
}

/**
 * Runs rounds of one fault on a system of its own, under load, and compares both sides document by document after each.
 */
export async function runScenario(
  { name: scenario, fault, env = {} }: Scenario,
  { rounds, seed, log }: { rounds: number; seed: number; log: (line: string) => void },
): Promise<Outcome> {
  const dataDir = await mkdtemp(join(tmpdir(), 'faults-'))
  const cleanUps: (() => Promise<unknown>)[] = []
  const mail = await freshMail({ teardown: (cleanUp) => cleanUps.push(cleanUp) })
  const stack = await startStack({ dataDir, env: { ...env, projector: { ...env.projector, SMTP_URL: mail.url } } })
  const clientsOf = { write: new MongoClient(stack.uris.write), read: new MongoClient(stack.uris.read) }
  const world: World = {
    stack,
    random: randomFrom(seed),
    write: clientsOf.write.db(),
    read: clientsOf.read.db(),
    mail,
  }
  try {
    const token = adminToken(await readFile(join(dataDir, 'keys/signing-key.pem'), 'utf8'))
    const acknowledged: Acknowledged = new Map()
    let commands = 0
    let longestRecoveryMs = 0
    for (let round = 1; round <= rounds; round++) {
      const load = startLoad({
        baseUrl: stack.baseUrl,
        adminToken: token,
        clients: 4,
        random: randomFrom(seed + round),
      })
      await fault(world, round)
      await load.stop()
      for (const [id, state] of load.acknowledged) acknowledged.set(id, state)
      commands += load.counts.acknowledged
      const wholeAfterMs = await untilWhole(world.write, world.read, 90_000)
      longestRecoveryMs = Math.max(longestRecoveryMs, wholeAfterMs)
      const answers = [...load.statuses].map(([status, count]) => `${status}: ${count}`).join(', ')
      log(`${scenario} ${round}/${rounds}: ${answers}; whole after ${Math.round(wholeAfterMs)} ms`)
    }
    const lost = await lostCommands(world.write, acknowledged)
    const { doubled, unwelcomed } = await welcomes(world, acknowledged)
    return { scenario, rounds, acknowledged: commands, lost, doubled, unwelcomed, longestRecoveryMs }
  } finally {
    await Promise.all([clientsOf.write.close(), clientsOf.read.close()])
    await stack.stop()
    for (const cleanUp of cleanUps) await cleanUp()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Waits until no more mail is due, then counts them by user. */
async function welcomes({ mail }: World, acknowledged: Acknowledged) {
  const due = [...acknowledged.values()].filter(({ deleted }) => !deleted).map(({ email }) => email)
  const counts = () => {
    const received = new Map<string, number>()
    for (const to of mail.mails.flatMap(({ envelopeTo }) => envelopeTo)) received.set(to, (received.get(to) ?? 0) + 1)
    return received
  }
  await eventually(() => due.every((email) => counts().has(email)), { timeoutMs: 60_000, intervalMs: 200 }).catch(
    () => undefined,
  )
  const received = counts()
  return {
    doubled: [...received].filter(([, count]) => count > 1).map(([email]) => email),
    unwelcomed: due.filter((email) => !received.has(email)),
  }
}

/** As command-api would make it for an admin: the load then needs no login for each user. */
function adminToken(key: string): string {
  const sign = createSigner({
    key,
    algorithm: 'ES256',
    kid: publicJwk(key).kid,
    header: { alg: 'ES256', typ: 'at+jwt' },
    iss: 'cqrs-user-service',
    aud: 'cqrs-user-service',
    expiresIn: 24 * 3600 * 1000,
  })
  return sign({ sub: '019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37', roles: ['admin'], jti: crypto.randomUUID() })
}
