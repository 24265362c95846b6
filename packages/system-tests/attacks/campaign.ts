import { readFileSync } from 'node:fs'
import { type Answer, descriptionOf } from '@cqrs/local-stack/testing'
import fc from 'fast-check'
import { type Attack, type Attacker, attacksOn } from './attacks.ts'
import { Connection } from './connection.ts'
import { type Operation, operations, type ServiceName } from './operations.ts'

/** The results of the bad requests to one operation. */
export type Outcome = {
  operation: Operation
  requests: number
  /** How often each status was returned; `closed` counts connections closed without a response. */
  statuses: Record<string, number>
  slowestMs: number
  failures: string[]
}

export type Campaign = {
  seed: number
  /** For each operation. */
  requests: number
  /** Attacks only the operations whose name contains this. */
  only?: string
  log?: (line: string) => void
}

/** The system under attack. */
export type Target = {
  portOf: (service: ServiceName) => number
  /** A new user, logged in, and forgeries of its token. */
  newAttacker: () => Promise<Attacker>
}

/**
 * Sends bad requests to each operation, the same ones for the same seed, and judges each response. Several requests are
 * in flight at the same time, each on its own connection.
 */
export async function attack(
  target: Target,
  { seed, requests, only = '', log = () => {} }: Campaign,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const chosen = operations.filter(({ id }) => id.toLowerCase().includes(only.toLowerCase()))
  for (const operation of chosen) {
    const outcome = await attackOperation(target, operation, { seed, requests })
    outcomes.push(outcome)
    log(`${operation.id}: ${outcome.requests} bad requests, ${outcome.failures.length} wrong responses`)
  }
  return outcomes
}

async function attackOperation(
  { portOf, newAttacker }: Target,
  operation: Operation,
  { seed, requests }: { seed: number; requests: number },
): Promise<Outcome> {
  const outcome: Outcome = { operation, requests: 0, statuses: {}, slowestMs: 0, failures: [] }
  const judge = judges[operation.service]
  for (let round = 0; outcome.requests < requests; round++) {
    const attacker = await newAttacker()
    const numRuns = Math.min(perAttacker, requests - outcome.requests)
    const attacks = fc.sample(attacksOn(operation, attacker), { numRuns, seed: seed + round })
    const next = attacks.values()
    let isSpent = false
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const connection = new Connection(portOf(operation.service))
        for (const attack of next) {
          const code = await attackOnce(connection, attack, outcome, judge)
          // A request that ends sessions or deletes the user also ends the attacker's: the next round has a new one.
          isSpent ||= code === 'token-revoked' && !attack.isForged
          if (isSpent) break
        }
        connection.close()
      }),
    )
  }
  return outcome
}

const judges = {
  'command-api': descriptionOf('command-api', { isRecorded: false }),
  'query-api': descriptionOf('query-api', { isRecorded: false }),
}

const perAttacker = 250

/** Longer than the handler timeout (15 s) and the wait of a query for a version. */
const patienceMs = 20_000

/** Sends one request, judges the response, and returns its problem code. */
async function attackOnce(
  connection: Connection,
  { kind, method, target, bytes, isForged }: Attack,
  outcome: Outcome,
  judge: (answer: Answer) => string | undefined,
): Promise<string | undefined> {
  const fail = (reason: string) => outcome.failures.push(`${kind}: ${reason} ← ${excerpt(bytes)}`)
  const startedAt = performance.now()
  outcome.requests++
  try {
    const answer = await connection.send(bytes, { method, withinMs: patienceMs })
    const status = answer?.status ?? 'closed'
    outcome.statuses[status] = (outcome.statuses[status] ?? 0) + 1
    if (!answer) {
      fail('the connection was closed without a response')
      return undefined
    }
    if (answer.status >= 500) fail(`answered ${answer.status}`)
    if (isForged && answer.status < 400) fail(`answered ${answer.status}`)
    const told = fromInside.exec(answer.body)
    if (told) fail(`the response reveals ${told[0]}`)
    const outside = judge({ ...answer, method: answeredMethod(answer.body, method), path: target })
    if (outside) fail(outside)
    return /"code":"([a-z-]+)"/.exec(answer.body)?.[1]
  } catch (error) {
    fail((error as Error).message)
    return undefined
  } finally {
    // A request with faulty framing may not have ended: the next one must not be read as part of it.
    if (kind === 'framing') connection.close()
    outcome.slowestMs = Math.max(outcome.slowestMs, performance.now() - startedAt)
  }
}

/** A request that is not valid HTTP is answered with a body, whatever its method is. */
const answeredMethod = (body: string, method: string): string => (method === 'HEAD' && body ? 'GET' : method)

/** Details that no response may reveal: code locations, libraries, the database. */
const fromInside = /node_modules|\bat [^ ]+ \(|\.[cm]?[jt]s:\d|Mongo|E11000|FST_|ERR_|\w+Error\b|\/dist\//

const excerpt = (bytes: Buffer): string => JSON.stringify(bytes.subarray(0, 300).toString('latin1'))

/** The resident memory of a process in MiB. */
export const residentMib = (pid: number | undefined): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
