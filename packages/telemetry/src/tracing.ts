import { setTimeout as delay } from 'node:timers/promises'
import { createLogger, type logLevels } from './logger.ts'
import type { start } from './open-telemetry.ts'

/** While traces are off, nothing of OpenTelemetry is loaded, and this only does the work. */
export let tracing: ReturnType<typeof start> = {
  traceCommands() {},
  bound: (work) => work,
  inSpan: (_about, work) => work(),
  inSpans: (_about, _events, handle) => handle(),
  stop: async () => {},
}

/** Switches traces on if the settings say so. Call it before the service is created. */
export async function startTracing(
  service: string,
  settings: { OTEL_EXPORTER_OTLP_ENDPOINT?: string; LOG_LEVEL: (typeof logLevels)[number] },
): Promise<void> {
  if (!settings.OTEL_EXPORTER_OTLP_ENDPOINT) return
  const openTelemetry = await import('./open-telemetry.ts')
  tracing = openTelemetry.start(service, createLogger(service, settings.LOG_LEVEL))
}

/** Exports the spans that are left. A receiver that does not answer delays a stop by at most 2 s. */
export const stopTracing = () => Promise.race([tracing.stop(), delay(2_000, undefined, { ref: false })])
