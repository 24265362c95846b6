import { registerHooks } from 'node:module'

// Preloaded by a test: names each module of OpenTelemetry that the process loads, but for the API, which does nothing by
// itself and which the client of Prometheus loads.
registerHooks({
  load(url, context, next) {
    if (/@opentelemetry\/(?!api\/)|@fastify\/otel/.test(url))
      process.stdout.write(`${JSON.stringify({ module: url })}\n`)
    return next(url, context)
  },
})
