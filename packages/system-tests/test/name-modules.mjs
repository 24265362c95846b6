import { registerHooks } from 'node:module'

// Preloaded by a test: names each module of OpenTelemetry that the process loads, but for the API. That does nothing by
// itself, and Prometheus's client loads it in any case.
registerHooks({
  load(url, context, next) {
    if (/@opentelemetry\/(?!api\/)|@fastify\/otel/.test(url))
      process.stdout.write(`${JSON.stringify({ module: url })}\n`)
    return next(url, context)
  },
})
