import { fileURLToPath } from 'node:url'
import { ChildServer, migrate, programOf } from '@cqrs/local-stack'
import { eventually, freePort, freshDatabase, freshNats } from '@cqrs/local-stack/testing'
import { generateKeyFiles } from '@cqrs/service-kit'
import { waitingUser } from './waiting-user.ts'

/**
 * `npm run test:backlog`: three replicas of command-api publish the backlog of a NATS outage. Prints how long it takes,
 * how often an event is published, and the memory of each replica; exits with 1 above 1.2 publishes per event.
 */
const events = Number(process.argv[2] ?? 100_000)
const cleanUps: (() => Promise<unknown>)[] = []
const t = { teardown: (cleanUp: () => Promise<unknown>) => cleanUps.unshift(cleanUp) }

const { db, uri } = await freshDatabase(t)
const nats = await freshNats(t)
await migrate({ name: 'command-api', own: { MONGODB_URI: uri, NATS_URL: nats.url }, settings: {} })
await nats.server.stop()
const users = db.collection<{ _id: string }>('users')
for (let from = 0; from < events; from += 5_000) {
  await users.insertMany(Array.from({ length: Math.min(5_000, events - from) }, () => waitingUser()))
}
const replicas = await Promise.all([1, 2, 3].map(startReplica))

const startedAt = performance.now()
await nats.server.start()
const peaks = [0, 0, 0]
await eventually(
  async () => {
    for (const [i, { url }] of replicas.entries()) {
      peaks[i] = Math.max(peaks[i] ?? 0, Math.round((await metric(url, 'process_resident_memory_bytes')) / 2 ** 20))
    }
    return !(await users.findOne({ pendingSince: { $exists: true } }))
  },
  { timeoutMs: 60_000 + 2 * events, intervalMs: 1_000 },
)
const seconds = (performance.now() - startedAt) / 1_000
const published = await Promise.all(replicas.map(({ url }) => metric(url, 'outbox_published_total')))
const each = published.reduce((sum, count) => sum + count) / events
console.log(`${events} events in ${seconds.toFixed(1)} s, ${Math.round(events / seconds)}/s`)
console.log(`published by each replica: ${published.join(', ')}; ${each.toFixed(3)} publishes per event`)
console.log(`peak resident memory, MiB: ${peaks.join(', ')}`)
for (const cleanUp of cleanUps) await cleanUp()
process.exit(each <= 1.2 ? 0 : 1)

async function startReplica() {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const { signingKeyFile, jwksFile } = await generateKeyFiles(fileURLToPath(new URL('../.tap/keys', import.meta.url)))
  const server = new ChildServer({
    name: `command-api on ${port}`,
    ...programOf('command-api'),
    env: {
      PORT: String(port),
      MONGODB_URI: uri,
      NATS_URL: nats.url,
      JWT_SIGNING_KEY_FILE: signingKeyFile,
      JWKS_FILE: jwksFile,
      LOG_LEVEL: 'error',
    },
    output: (line) => console.log(line),
    ready: async () => (await fetch(`${url}/healthz`)).ok,
  })
  await server.start()
  t.teardown(() => server.stop())
  return { url }
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1])
}
