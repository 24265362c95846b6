import { hostname } from 'node:os'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { type ReplicaStatus, statusSubject } from '@cqrs/contracts'
import { currentGauges, gauges, type Logger, version } from '@cqrs/telemetry'
import type { NatsLink } from '../nats/link.ts'
import type { HttpServer } from './http-server.ts'

/** A dependency of the process. Without one that is not required, clients are still served. */
export type Check = {
  required: boolean
  /** Default: up while there are no reasons. */
  isUp?: () => boolean | Promise<boolean>
  /** The missing resources, by names that an operator knows. */
  missing?: () => readonly string[]
  /** Why it is down, or will be, for an operator. */
  reasons?: () => readonly string[]
}

/**
 * `/healthz` answers 200 while the process runs. `/readyz` answers 200 `ready` if every check is up, 200 `degraded` if
 * only checks that are not required are down (taking the process out of service would not help), else 503 `unready`. It
 * lists the checks, the missing resources and the reasons. Over NATS, every replica answers the same on `status`, with
 * its gauges.
 */
export function answerHealth(app: HttpServer, checks: Record<string, Check>, nats?: NatsLink): void {
  const measured = measureChecks(checks)
  app.addHook('onReady', async () => measured.start())
  app.addHook('onClose', () => measured.close())
  app.get('/healthz', { logLevel: 'silent' }, () => ({ status: 'ok' }))
  app.get('/readyz', { logLevel: 'silent' }, async (_request, reply) => {
    const health = await healthOf(checks)
    return reply.status(health.status === 'unready' ? 503 : 200).send(health)
  })
  const about = { service: (app.log as Logger).bindings()['service'], version, replica: `${hostname()}:${process.pid}` }
  nats?.subscribe(statusSubject, async (message) => {
    const [health, gauges] = await Promise.all([healthOf(checks), currentGauges()])
    message.respond(JSON.stringify({ ...about, ...health, gauges } satisfies ReplicaStatus))
  })
}

async function healthOf(checks: Record<string, Check>): Promise<Health> {
  const results = await resultsOf(checks)
  const down = results.filter(({ up }) => !up)
  const missing = Object.values(checks).flatMap((check) => check.missing?.() ?? [])
  const reasons = Object.values(checks).flatMap((check) => check.reasons?.() ?? [])
  return {
    status: down.length === 0 ? 'ready' : down.some(({ required }) => required) ? 'unready' : 'degraded',
    checks: Object.fromEntries(results.map(({ name, up }) => [name, up ? 'up' : 'down'])),
    ...(missing.length > 0 && { missing }),
    ...(reasons.length > 0 && { reasons }),
  }
}

type Health = Pick<ReplicaStatus, 'status' | 'checks' | 'missing' | 'reasons'>

async function resultsOf(checks: Record<string, Check>) {
  const entries = Object.entries(checks)
  const asked = await Promise.all(entries.map(([, { isUp }]) => isUp && settled(isUp)))
  // What depends on reasons alone is told together with them: they can change during the questions.
  return entries.map(([name, { required, reasons = () => [] }], i) => ({
    name,
    required,
    up: asked[i] ?? reasons().length === 0,
  }))
}

const measureChecks = gauges(
  { health_check_up: { help: '1 while a check of `/readyz` is up, else 0', label: 'check' } },
  async (checks: Record<string, Check>) => ({
    health_check_up: Object.fromEntries((await resultsOf(checks)).map(({ name, up }) => [name, Number(up)])),
  }),
)

/** A check that takes too long is down: the prober has a timeout as well. */
const settled = async (isUp: NonNullable<Check['isUp']>): Promise<boolean> => {
  try {
    return await Promise.race([isUp(), tooLate()])
  } catch {
    return false
  }
}

/** A process that is itself late first reads what has arrived: the timers of the event loop run before its I/O. */
async function tooLate(): Promise<false> {
  await delay(answerWithinMs, undefined, { ref: false })
  return await nextTurn(false)
}

/** Below the default timeout of a Kubernetes probe, one second. */
const answerWithinMs = 800
