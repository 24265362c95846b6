import { fileURLToPath } from 'node:url'
import { eventually, freshDirectory, startProcess } from '@cqrs/local-stack/testing'
import { generateKeyFiles } from '@cqrs/service-kit'
import t, { type Test } from 'tap'
import { traceReceiver } from './trace-receiver.ts'

// Processes without databases and broker: they answer 404, which is traced as well.

const keys = await generateKeyFiles(await freshDirectory(t))
const settings = {
  MONGODB_URI: 'mongodb://127.0.0.1:1/users',
  MONGODB_READ_URI: 'mongodb://127.0.0.1:1/users',
  NATS_URL: 'nats://127.0.0.1:1',
  SMTP_URL: 'smtp://127.0.0.1:1',
  JWKS_FILE: keys.jwksFile,
  JWT_SIGNING_KEY_FILE: keys.signingKeyFile,
}
const start = (t: Test, env: Record<string, string>, service: Parameters<typeof startProcess>[1] = 'query-api') =>
  startProcess(t, service, { ...settings, ...env })
const unknownPath = async ({ url }: { url: string }) => (await fetch(`${url}/nowhere`)).status

const nameModules = { NODE_OPTIONS: `--import ${fileURLToPath(new URL('name-modules.mjs', import.meta.url))}` }
const modulesOf = async (...[t, env, service]: Parameters<typeof start>) => {
  const { logs } = await start(t, { ...nameModules, ...env }, service)
  return logs.flatMap(({ module }) => (module ? [String(module)] : []))
}

t.test('nothing of OpenTelemetry’s SDK is loaded unless the setting names a receiver', async (t) => {
  const off = (['command-api', 'projector', 'query-api'] as const).map((service) => modulesOf(t, {}, service))
  t.strictSame((await Promise.all(off)).flat(), [])
  const loaded = await modulesOf(t, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  for (const name of ['@opentelemetry/sdk-trace-node', '@fastify/otel'])
    t.ok(
      loaded.some((module) => module.includes(`/node_modules/${name}/`)),
      name,
    )
})

t.test('a wrong setting is named at start', async (t) => {
  const wrong = start(t, { OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' })
  await t.rejects(wrong, /OTEL_EXPORTER_OTLP_ENDPOINT must be a URL/)
})

t.test('what is left is exported at a stop, unless the SDK’s sampler excludes it', async (t) => {
  const { url, spans } = await traceReceiver(t)
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_SCHEDULE_DELAY: '3600000' }
  for (const [sampler, count] of [
    ['always_off', 0],
    ['always_on', 1],
  ] as const) {
    const service = await start(t, { ...env, OTEL_TRACES_SAMPLER: sampler })
    t.equal(await unknownPath(service), 404)
    t.equal(await service.terminate(), 'exit code 0')
    t.equal(spans.filter(({ kind }) => kind === 'SERVER').length, count, sampler)
  }
})

// The bounds of the SDK, smaller.
const queue = {
  OTEL_BSP_MAX_QUEUE_SIZE: '20',
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
  OTEL_BSP_SCHEDULE_DELAY: '100',
  OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
}
for (const mood of ['hangs', 'refuses'] as const) {
  t.test(`a receiver that ${mood} delays no request and no stop, and few spans are kept for it`, async (t) => {
    const receiver = await traceReceiver(t)
    receiver.becomes(mood)
    const service = await start(t, { ...queue, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url })
    const slowest = Math.max(...(await timesOf(300, () => unknownPath(service))))
    t.ok(slowest < 1_000, `the slowest of 300 requests took ${Math.round(slowest)} ms`)
    await eventually(() => service.logs.some(({ msg }) => msg === 'traces are incomplete'))
    t.equal(service.logs.filter(({ msg }) => msg === 'traces are incomplete').length, 1, 'it is logged once')

    receiver.becomes('accepts')
    await eventually(() => receiver.spans.length > 0)
    receiver.becomes(mood)
    t.ok(receiver.spans.length <= 100, `${receiver.spans.length} of 600 spans were kept`)

    await timesOf(20, () => unknownPath(service))
    const [stopped = 0] = await timesOf(1, async () => t.equal(await service.terminate(), 'exit code 0'))
    t.ok(stopped < 6_000, `it stopped in ${Math.round(stopped)} ms`)
  })
}

t.test('a receiver that is down delays no request and no stop', async (t) => {
  const service = await start(t, { ...queue, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  t.ok(Math.max(...(await timesOf(50, () => unknownPath(service)))) < 1_000)
  await eventually(() => service.logs.some(({ msg }) => msg === 'traces are incomplete'))
  t.equal(await service.terminate(), 'exit code 0')
})

/** How long each of some calls takes, one after the other, in milliseconds. */
async function timesOf(count: number, call: () => Promise<unknown>): Promise<number[]> {
  const times = []
  for (let i = 0; i < count; i++) {
    const begunAt = performance.now()
    await call()
    times.push(performance.now() - begunAt)
  }
  return times
}
