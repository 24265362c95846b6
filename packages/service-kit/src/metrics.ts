import { collectDefaultMetrics, register } from 'prom-client'
import type { HttpServer } from './http/server.ts'

export { Counter, Gauge, Histogram } from 'prom-client'

/**
 * `/metrics` in Prometheus's text format: what each module counts where it happens, and what Node tells of itself. It
 * is for the network of the services only; gateways do not pass it on.
 */
export function answerMetrics(app: HttpServer): void {
  collectDefaultMetrics()
  app.get('/metrics', { logLevel: 'silent' }, async (_request, reply) =>
    reply.type(register.contentType).send(await register.metrics()),
  )
}
