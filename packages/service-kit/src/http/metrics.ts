import { Gauge, type Logger, register, version } from '@cqrs/telemetry'
import type { HttpServer } from './http-server.ts'
import { createServer } from './server.ts'

/**
 * Answers `/metrics` in Prometheus's text format. It is for the internal network: gateways do not expose it. On a
 * separate port it listens from `ready` to `close` of the app.
 */
export function answerMetrics(app: HttpServer, { METRICS_PORT: port, HOST: host }: Settings): void {
  buildInfo.set({ service: (app.log as Logger).bindings()['service'] ?? '', version }, 1)
  const server = port === undefined ? app : createServer(app.log as Logger)
  server.get('/metrics', { logLevel: 'silent' }, async (_request, reply) =>
    reply.type(register.contentType).send(await register.metrics()),
  )
  if (port === undefined) return
  app.addHook('onReady', async () => {
    await server.listen({ host, port })
  })
  app.addHook('onClose', () => server.close())
}

const buildInfo = new Gauge({
  name: 'build_info',
  help: '1, with the name and the release of the service',
  labelNames: ['service', 'version'],
})

type Settings = { METRICS_PORT?: number; HOST: string }
