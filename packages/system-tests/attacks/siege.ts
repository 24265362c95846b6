import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type StackOptions, startStack } from '@cqrs/local-stack'
import type { Attacker } from './attacks.ts'
import { attack, type Campaign, type Outcome, residentMib } from './campaign.ts'
import { failuresIn } from './report.ts'
import { forgeries } from './tokens.ts'

type Options = Campaign & { databases?: StackOptions['databases'] }
type Memory = { service: string; beforeMib: number; afterMib: number }

/** Starts the whole system, attacks it, and checks that it is in the same state as before. */
export async function besiege({ databases, ...campaign }: Options): Promise<{
  outcomes: Outcome[]
  memory: Memory[]
  failures: string[]
}> {
  const dataDir = await mkdtemp(join(tmpdir(), 'siege-'))
  const logs: string[] = []
  const stack = await startStack({
    dataDir,
    databases,
    env: { 'command-api': heap, 'query-api': heap },
    onLogLine: (line) => logs.push(line),
  })
  try {
    const signingKey = await readFile(join(dataDir, 'keys/signing-key.pem'), 'utf8')
    const target = {
      portOf: (service: (typeof services)[number]) => stack.ports[service],
      newAttacker: () => attackerAt(stack.baseUrl, signingKey),
    }
    // A warm-up compiles code and fills caches before memory is measured.
    const warmUp = await attack(target, {
      ...campaign,
      seed: campaign.seed + 1_000_000,
      requests: Math.ceil(Math.min(campaign.requests / 3, 500)),
      log: () => {},
    })
    const before = services.map((service) => residentMib(stack.servers[service].pid))
    const outcomes = await attack(target, campaign)
    const memory = services.map((service, i) => ({
      service,
      beforeMib: before[i] ?? 0,
      afterMib: residentMib(stack.servers[service].pid),
    }))
    await attackerAt(stack.baseUrl, signingKey)
    const told = logs.filter((line) => /password123|eyJhbGciOi/.test(line)).map((line) => `the log says ${line}`)
    const grown = memory
      .filter(({ beforeMib, afterMib }) => afterMib - beforeMib > maxGrowthMib)
      .map(({ service, beforeMib, afterMib }) => `${service} grew from ${beforeMib} to ${afterMib} MiB`)
    return {
      outcomes,
      memory,
      failures: [...failuresIn(warmUp), ...failuresIn(outcomes), ...grown, ...told.slice(0, 3)],
    }
  } finally {
    await stack.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

const services = ['command-api', 'query-api'] as const

/**
 * A heap so small that a leak ends the process: 45,000 bad requests that leak 2 KiB each would fill it.
 */
const heap = { NODE_OPTIONS: '--max-old-space-size=96' }

/**
 * Resident memory includes what V8 has not yet released: up to the heap limit and the 48 MiB of the young generation. A
 * leak outside the heap, of buffers or connections, exceeds that.
 */
const maxGrowthMib = 100

/** Registers a user through the gateway and logs it in. @throws if the system answers with an error */
async function attackerAt(baseUrl: string, signingKey: string): Promise<Attacker> {
  const post = async (path: string, body: object) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(baseUrl + path, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`${path} answered ${response.status} ${await response.text()}`)
    return (await response.json()) as { id: string; accessToken: string; refreshToken: string }
  }
  const account = { email: `${crypto.randomUUID()}@example.com`, password: 'password123' }
  const { id } = await post('/api/v1/auth/register', { ...account, name: 'Mallory', roles: ['buyer'] })
  const { accessToken, refreshToken } = await post('/api/v1/auth/login', account)
  return { id, token: accessToken, refreshToken, forged: forgeries(accessToken, signingKey) }
}
