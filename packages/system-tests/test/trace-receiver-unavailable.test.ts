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
  // If a request waited for the receiver, 300 would take longer than a test may.
  t.test(`a receiver that ${mood} delays no request, and few spans are kept for it`, async (t) => {
    const receiver = await traceReceiver(t)
    receiver.becomes(mood)
    const service = await start(t, { ...queue, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url })
    for (let i = 0; i < 300; i++) await unknownPath(service)
    await eventually(() => service.logs.some(({ msg }) => msg === 'traces are incomplete'))
    t.equal(service.logs.filter(({ msg }) => msg === 'traces are incomplete').length, 1, 'it is logged once')

    receiver.becomes('accepts')
    await eventually(async () => (await unknownPath(service)) === 404 && receiver.spans.length > 0)
    t.ok(receiver.spans.length <= 100, `${receiver.spans.length} of 600 spans were kept`)
    receiver.becomes(mood)
    await unknownPath(service)
    t.equal(await service.terminate(), 'exit code 0')
  })
}

t.test('a receiver that hangs for a minute does not keep a process from stopping in time', async (t) => {
  const receiver = await traceReceiver(t)
  receiver.becomes('hangs')
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_EXPORTER_OTLP_TIMEOUT: '60000' }
  const service = await start(t, env)
  await unknownPath(service)
  t.equal(await service.terminate(), 'exit code 0', 'after 10 s it would be 1')
})

t.test('a receiver that is down delays no request and no stop', async (t) => {
  const service = await start(t, { ...queue, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  for (let i = 0; i < 50; i++) await unknownPath(service)
  await eventually(() => service.logs.some(({ msg }) => msg === 'traces are incomplete'))
  t.equal(await service.terminate(), 'exit code 0')
})
