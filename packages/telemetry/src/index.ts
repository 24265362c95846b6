/** What a process says of itself: its log, its metrics and its traces. It knows nothing of what the process does. */
export { Counter, collectDefaultMetrics, Gauge, Histogram, register } from 'prom-client'
export * from './client-metrics.ts'
export * from './gauges.ts'
export { measureRequests } from './http-metrics.ts'
export * from './logger.ts'
export * from './settings.ts'
export * from './tracing.ts'
export * from './version.ts'
