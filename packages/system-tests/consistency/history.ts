import { createReadStream } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { check, describe, readHistory, wordsOf } from '@cqrs/checker'
import pLimit from 'p-limit'
import { untilWhole } from '../faults/comparison.ts'
import { randomFrom } from '../faults/random.ts'
import type { World } from '../faults/world.ts'
import { Client, everybody } from './client.ts'
import { strike } from './faults.ts'
import { existing, lastLook } from './last-look.ts'
import type { Nemesis } from './nemeses.ts'
import { People } from './people.ts'
import type { Fault } from './record.ts'
import { digest, Recorder, type Sample } from './recorder.ts'

export type HistoryOptions = {
  seed: number
  /** How long clients send requests. */
  seconds: number
  /** Where the history is written, as NDJSON. */
  file: string
  clients?: number
  places?: number
  /** The share of queries, from 0 to 1. */
  queries?: number
  /** Strike again and again, at the same time. */
  striking: readonly Nemesis[]
  /** How long tokens that were revoked and users that were deleted may still be seen, in microseconds. */
  bounds?: { revokedQuery: number; deleted: number }
  /** If what clients were told violates one of these rules, the history ends there, without the last look. */
  enough?: readonly string[]
}

export type Judged = {
  seed: number
  file: string
  samples: Sample[]
  faults: Fault[]
  /** The rules that it violates. */
  rules: string[]
  /** Violations, with the operations that show each, and what the run itself found. Empty if all is well. */
  wrong: string[]
  notDecided: number
  /** The whole verdict, in words. */
  verdict: string
}

/**
 * Lets contended clients loose on the system, records what they send and what they are told, and judges the history.
 * It begins with an admin alone: everybody else is deleted first.
 */
export async function recordHistory(world: World, options: HistoryOptions): Promise<Judged> {
  const { seed, seconds, file, clients = 16, places = 50, queries = 0.7, striking } = options
  const { bounds = longestFault, enough = [] } = options
  const random = randomFrom(seed)
  const recorder = new Recorder(file)
  const people = new People({ places, random, domain: `run${seed}.example.com` })
  world.mail.mails.length = 0
  await deleteAll(world)
  await nameAdmin(world)
  recorder.write('start', { ...bounds })
  for (const { id, line } of await existing(world)) {
    recorder.write('existing', line)
    people.others.add(id)
  }
  const of = (name: string) => world.services.filter((service) => service.name === name).map(({ url }) => url)
  const common = {
    ...{ recorder, people, queries, adminToken: world.adminToken },
    commandApis: [...of('command-api'), world.gateway],
    queryApis: [...of('query-api'), world.gateway],
  }
  const stopping = new AbortController()
  const run = async (client: Client) => {
    while (!stopping.signal.aborted) await client.act()
  }
  const running = Array.from({ length: clients }, (_, i) =>
    run(
      new Client({
        ...common,
        name: `c${i}`,
        random: randomFrom(seed * 1_000 + i),
        patienceMs: i % 4 === 0 ? 3_000 : 12_000,
      }),
    ),
  )
  let faults: Fault[] = []
  try {
    const strikes = strike(world, recorder, { striking, random, forMs: (seconds - 4) * 1_000 })
    ;[faults] = await Promise.all([strikes, delay(seconds * 1_000)])
  } finally {
    stopping.abort()
    await Promise.all(running)
  }
  const isEnough = async () => {
    await recorder.flush()
    return (await judged(file)).report.violations.some(({ rule }) => enough.includes(rule))
  }
  const looking = { ...common, striking, name: 'last look', random, patienceMs: 12_000 }
  const notWhole = enough.length > 0 && (await isEnough()) ? [] : await lastLook(world, looking)
  await recorder.close()

  const { history, report } = await judged(file)
  const words = [...wordsOf(history, report)].join('\n')
  return {
    ...{ seed, file, samples: recorder.samples, faults },
    rules: [...new Set(report.violations.map(({ rule }) => rule))],
    wrong: [
      ...report.violations.map(({ rule, what, operations }) =>
        [`${rule}: ${what}`, ...operations.map((operation) => describe(history, operation))].join('\n'),
      ),
      ...notWhole,
      ...world.wrong.splice(0),
    ],
    notDecided: report.notDecided.length,
    verdict: words,
  }
}

async function judged(file: string) {
  const history = await readHistory(createReadStream(file, 'utf8'))
  return { history, report: check(history) }
}

/**
 * In microseconds. Without NATS or the projector no event arrives, so these last as long as the longest fault, and the
 * 10 s after which query-api asks for revocations itself (docs/security.md).
 */
const longestFault = { revokedQuery: 40_000_000, deleted: 40_000_000 }

/** So that a search for the word has everybody. */
async function nameAdmin(world: World): Promise<void> {
  const { baseUrls, adminToken, write } = world
  const admin = await write.collection('users').findOne({ roles: 'admin', deletedAt: { $exists: false } })
  const response = await fetch(`${baseUrls[0]}/api/v1/users/${admin?._id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: `${everybody} ${digest(String(admin?._id))}`, roles: ['admin'] }),
  })
  if (!response.ok) throw new Error(`the admin was not named: ${response.status} ${await response.text()}`)
}

async function deleteAll({ write, read, baseUrls, adminToken }: World): Promise<void> {
  const living = { roles: { $ne: 'admin' }, deletedAt: { $exists: false } }
  await pLimit(8).map(await write.collection('users').find(living).toArray(), async ({ _id }) => {
    const response = await fetch(`${baseUrls[0]}/api/v1/users/${_id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${adminToken}` },
    })
    if (!response.ok) throw new Error(`${_id} was not deleted: ${response.status}`)
  })
  await untilWhole(write, read, 60_000)
}
