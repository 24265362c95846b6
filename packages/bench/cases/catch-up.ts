import type { UserEvent } from '@cqrs/contracts'
import { ChildServer, migrate, programOf, startNats } from '@cqrs/local-stack'
import { eventually, freePort } from '@cqrs/local-stack/testing'
import { connect } from '@nats-io/transport-node'
import type { Bench } from '../harness/bench.ts'
import { behind, changesOf, publishAll, registrationEvents } from '../harness/events.ts'
import { rawWrites } from '../harness/raw-writes.ts'
import type { Result } from '../harness/result.ts'
import type { Case } from './case.ts'

const readModels = ['users_read_v1', 'user_stats_v1']

/** A projector that starts with a backlog: of registrations, then of a change of each user. */
export const catchUp: Case = {
  name: 'catch-up',
  async run(bench) {
    const { read, stack, dataDir, size, say } = bench
    const directory = `${dataDir}/catch-up`
    const { server, url } = await startNats({ dataDir: directory, logDir: directory, port: await freePort() })
    const nats = await connect({ servers: url })
    const figures = {
      registered: [] as number[],
      inserts: [] as number[],
      upserts: [] as number[],
      changed: [] as number[],
      replaces: [] as number[],
    }
    try {
      for (let round = 1; round <= Math.min(size.rounds, 3); round++) {
        const uri = new URL(stack.uris.read)
        uri.pathname = `catch_up_${round}`
        const own = { MONGODB_READ_URI: uri.href, NATS_URL: url }
        await migrate({ name: 'projector', own, settings: {} })
        const db = read.client.db(`catch_up_${round}`)
        const registrations = registrationEvents(size.events)
        const follow = async (events: UserEvent[]) => {
          await publishAll(nats, events)
          const projector = await startProjector(bench, uri.href, url)
          const startedAt = performance.now()
          const isBehind = async () => (await Promise.all(readModels.map((name) => behind(nats, name)))).some(Boolean)
          await eventually(async () => !(await isBehind()), { timeoutMs: 600_000, intervalMs: 50 })
          const seconds = (performance.now() - startedAt) / 1_000
          await projector.stop()
          return events.length / seconds
        }
        const raw = (into: string, how: 'insert' | 'upsert') =>
          rawWrites(db, uri.href, {
            collections: { users_read_v1: 'users_read_v1', user_stats_v1: 'user_stats_v1' },
            into,
            how,
          })

        figures.registered.push(await follow(registrations))
        if ((await db.collection('users_read_v1').countDocuments()) !== size.events)
          throw new Error('not all events were applied')
        figures.inserts.push(await raw('inserted', 'insert'))
        figures.upserts.push(await raw('upserted', 'upsert'))
        figures.changed.push(await follow(changesOf(registrations)))
        figures.replaces.push(await raw('upserted', 'upsert'))
        say(`round ${round}: ${JSON.stringify(figures)}`)
        await db.dropDatabase()
      }
    } finally {
      await nats.close()
      await server.stop()
    }
    const both = 'of the same documents of both read models'
    return [
      row(size.events, 'registrations', figures.registered, `bulk upserts ${both}`, figures.upserts, 0.8),
      row(size.events, 'registrations', figures.registered, `bulk inserts ${both}`, figures.inserts),
      row(size.events, 'changes', figures.changed, `bulk replaces ${both}`, figures.replaces, 0.8),
    ]
  },
}

const row = (events: number, of: string, ours: number[], what: string, values: number[], atLeast?: number): Result => ({
  what: `projector catches up on ${events} ${of}`,
  unit: '/s',
  ours,
  limit: { what, values },
  ...(atLeast && { reach: { atLeast } }),
})

async function startProjector({ stack, say }: Bench, mongoUri: string, natsUrl: string): Promise<ChildServer> {
  const port = await freePort()
  const server = new ChildServer({
    name: 'projector catching up',
    ...programOf('projector'),
    env: {
      ...(process.env.BENCH_NODE_OPTIONS && { NODE_OPTIONS: process.env.BENCH_NODE_OPTIONS }),
      HOST: '127.0.0.1',
      PORT: String(port),
      MONGODB_READ_URI: mongoUri,
      NATS_URL: natsUrl,
      SMTP_URL: `smtp://127.0.0.1:${stack.ports.smtp}`,
      LOG_LEVEL: 'warn',
      VERIFY_EVERY_SECONDS: '86400',
    },
    output: say,
    ready: async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok,
  })
  await server.start()
  return server
}
