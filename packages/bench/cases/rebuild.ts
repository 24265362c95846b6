import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseEnv } from 'node:util'
import { programOf } from '@cqrs/local-stack'
import { type Bench, readText } from '../harness/bench.ts'
import { residentMib, sampling } from '../harness/memory.ts'
import { rawWrites } from '../harness/raw-writes.ts'
import type { Result } from '../harness/result.ts'
import { seedUsers } from '../harness/seed.ts'
import { median } from '../harness/statistics.ts'
import type { Case } from './case.ts'

/** A rebuild of `users_read_v1` from the write side, while clients send queries. */
export const rebuild: Case = {
  name: 'rebuild',
  async run(bench) {
    const { write, read, stack, size, say } = bench
    const missing = size.rebuilt - (await write.collection('users').estimatedDocumentCount())
    await seedUsers(Math.max(missing, 0), { write }, say)
    const queries = askContinuously(bench)
    const rebuilt = await runRebuild(bench)
    const asked = await (await queries).stop()
    say(`rebuilt ${rebuilt.users} users, ${Math.round(rebuilt.perSecond)}/s`)
    say(`${asked.failed} of ${asked.made} queries failed`)

    const raw = (how: 'insert' | 'upsert') =>
      rawWrites(read, stack.uris.read, { collections: { users_read_v1: rebuilt.collection }, into: how, how })
    const upserts = await raw('upsert')
    const inserts = await raw('insert')
    const what = `rebuild of ${rebuilt.users} users`
    const third = Math.floor(rebuilt.memory.length / 3)
    return [
      {
        what,
        unit: '/s',
        ours: [rebuilt.perSecond],
        limit: { what: 'bulk upserts of the same documents', values: [upserts] },
        reach: { atLeast: 0.7 },
      },
      {
        what,
        unit: '/s',
        ours: [rebuilt.perSecond],
        limit: { what: 'bulk inserts of the same documents', values: [inserts] },
      },
      { what: `${what}: failed queries of ${asked.made}`, unit: '', ours: [asked.failed], reach: { atMost: 0 } },
      ...(['rebuild', 'command-api'] as const).flatMap((name): Result[] => {
        const values = rebuilt.memory.map((memory) => memory[name])
        return [
          {
            what: `${what}: memory of ${name}, at most`,
            unit: 'MiB',
            ours: [Math.max(...values)],
            reach: { atMost: 250 },
          },
          {
            what: `${what}: memory of ${name}, last third of the time`,
            unit: 'MiB',
            ours: [median(values.slice(-third))],
            limit: { what: 'second third', values: [median(values.slice(third, 2 * third))] },
            reach: { atMost: 1.1 },
          },
        ]
      }),
    ]
  },
}

async function runRebuild({ dataDir, stack }: Bench) {
  const { command, args } = programOf('operator', 'cli')
  const env = { ...process.env, ...parseEnv(readText(`${dataDir}/env/operator.env`)) }
  const startedAt = performance.now()
  const child = spawn(command, [...args, 'rebuild', 'users_read_v1'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const memory = sampling(() => ({
    rebuild: residentMib(child.pid),
    'command-api': residentMib(stack.servers['command-api'].pid),
  }))
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  const [code] = await once(child, 'close')
  const seconds = (performance.now() - startedAt) / 1_000
  const taken = memory.stop().filter((values) => !Number.isNaN(values.rebuild))
  const [, users, collection] = /(\d+) users in (\S+),/.exec(output) ?? []
  if (code !== 0 || !collection) throw new Error(`rebuild exited with ${code}: ${output}`)
  return { users: Number(users), collection, perSecond: Number(users) / seconds, memory: taken }
}

/** Sends one query at a time, a user and a list in turn, until stopped. */
async function askContinuously({ ids, queryUrl, token }: Bench) {
  const headers = { authorization: `Bearer ${await token()}` }
  let running = true
  let failed = 0
  let made = 0
  const asking = (async () => {
    while (running) {
      const id = ids[Math.floor(Math.random() * ids.length)]
      for (const path of [`/api/v1/users/${id}`, '/api/v1/users?limit=20']) {
        const response = await fetch(queryUrl + path, { headers }).catch(() => undefined)
        await response?.arrayBuffer()
        made++
        if (!response?.ok) failed++
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  return {
    async stop() {
      running = false
      await asking
      return { made, failed }
    },
  }
}
