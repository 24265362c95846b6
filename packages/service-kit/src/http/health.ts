import { setTimeout as delay } from 'node:timers/promises'
import type { HttpServer } from './http-server.ts'

/** One thing that a process needs. `required: false`: without it the process still does its work, as far as clients see. */
export type Check = {
  required: boolean
  isUp: () => boolean | Promise<boolean>
  /** What exactly is not there, by names that an operator knows. */
  missing?: () => readonly string[]
}

/**
 * `/healthz`: the process runs (200). `/readyz`: what it needs is there. 200 `ready`; 200 `degraded` when only something
 * not required is away, since taking the process out of service would make that worse; 503 `unready` otherwise. Both
 * name what is up and what is down, and `missing` what a set-up lacks.
 */
export function answerHealth(app: HttpServer, checks: Record<string, Check>): void {
  app.get('/healthz', { logLevel: 'silent' }, () => ({ status: 'ok' }))
  app.get('/readyz', { logLevel: 'silent' }, async (_request, reply) => {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, { required, isUp }]) => ({ name, required, up: await settled(isUp) })),
    )
    const down = results.filter(({ up }) => !up)
    const status = down.length === 0 ? 'ready' : down.some(({ required }) => required) ? 'unready' : 'degraded'
    const missing = Object.values(checks).flatMap((check) => check.missing?.() ?? [])
    return reply.status(status === 'unready' ? 503 : 200).send({
      status,
      checks: Object.fromEntries(results.map(({ name, up }) => [name, up ? 'up' : 'down'])),
      ...(missing.length > 0 && { missing }),
    })
  })
}

/** What gives no answer in time is down: whoever asks does not wait for long either. */
const settled = async (isUp: Check['isUp']): Promise<boolean> => {
  try {
    return await Promise.race([isUp(), delay(answerWithinMs, false, { ref: false })])
  } catch {
    return false
  }
}

/** Less than the second that a probe of Kubernetes waits where nobody says otherwise. */
const answerWithinMs = 800
