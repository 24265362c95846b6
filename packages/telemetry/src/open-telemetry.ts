import { AsyncResource } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import { FastifyOtelInstrumentation } from '@fastify/otel'
import * as api from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { FastifyInstance } from 'fastify'
import type { MongoClient } from 'mongodb'
import type { Logger } from './logger.ts'
import { version } from './version.ts'

// No attribute holds personal data: no query string, nothing of a command or its answer, no text of an error.

const { context, propagation, ROOT_CONTEXT, trace } = api
const tracer = trace.getTracer('@cqrs/telemetry', version)

/** Exports spans in the background. The SDK holds a bounded number of them, and drops what is over it. */
export function start(service: string, logger: Logger) {
  logProblems(logger)
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': service, 'service.version': version }))
    .merge(detectResources({ detectors: [envDetector] }))
  const spanProcessors = [new BatchSpanProcessor(new OTLPTraceExporter())]
  const provider = new NodeTracerProvider({ resource, spanProcessors })
  provider.register()
  traceRequests()
  const stop = () => provider.shutdown().catch(() => undefined)
  return { traceCommands, bound, inSpan, inSpans, stop }
}

/** Work that is done later, in the trace of its caller. */
const bound = (work: () => void): (() => void) => AsyncResource.bind(work)

/** Of what the SDK says, such as that an export failed, at most one line a minute. */
function logProblems(logger: Logger): void {
  let quietUntil = 0
  const log = (problem: string) => {
    if (performance.now() < quietUntil) return
    quietUntil = performance.now() + 60_000
    logger.warn({ detail: problem.slice(0, 300) }, 'traces are incomplete')
  }
  api.diag.setLogger({ error: log, warn: log, info: log, debug: log, verbose: log }, api.DiagLogLevel.WARN)
}

/** Traces the requests of every server that is created from now on. */
function traceRequests(): void {
  new FastifyOtelInstrumentation({
    registerOnInitialization: true,
    instrumentHooks: false,
    instrumentHandler: false,
    ignorePaths: ({ url }) => /^\/(healthz|readyz|metrics)(\?|$)/.test(url),
    requestHook(span, { method, headers, routeOptions: { url = 'none' } }) {
      span.updateName(`${method} ${url}`).setAttribute('url.path', url)
      // The request's log lines and events name this span.
      propagation.inject(trace.setSpan(ROOT_CONTEXT, span), headers)
    },
  })
  subscribe('fastify.initialization', (message) => {
    const { fastify } = message as { fastify: FastifyInstance }
    // The instrumentation's own takes the text of the error, and refusals for failures.
    fastify.addHook('onRoute', (route) => void delete route.onError)
  })
}

/** Traces the commands of a client that are sent for a span. */
function traceCommands(client: MongoClient): void {
  client.options.monitorCommands = true
  const spans = new Map<number, api.Span>()
  client.on('commandStarted', ({ requestId, commandName, command, databaseName, address }) => {
    // What a request leaves behind can take hours, and is not a part of it.
    if (!trace.getActiveSpan()?.isRecording()) return
    const collection: unknown = command[commandName === 'getMore' ? 'collection' : commandName]
    const attributes = {
      'db.system.name': 'mongodb',
      'db.operation.name': commandName,
      'db.namespace': databaseName,
      ...(typeof collection === 'string' && { 'db.collection.name': collection }),
      'server.address': address,
    }
    const name = `${commandName} ${typeof collection === 'string' ? collection : databaseName}`
    spans.set(requestId, tracer.startSpan(name, { kind: api.SpanKind.CLIENT, attributes }))
  })
  const end = ({ requestId, failure }: { requestId: number; failure?: Error }) => {
    const span = spans.get(requestId)
    spans.delete(requestId)
    if (failure) noteFailure(span, failure)
    span?.end()
  }
  client.on('commandSucceeded', end).on('commandFailed', end)
}

type About = {
  name: string
  kind: 'PRODUCER' | 'CONSUMER' | 'CLIENT'
  /** What has caused the work, such as an event. Without a `traceparent`, the work begins a trace. */
  cause?: Cause | undefined
  links?: Cause[]
  /** Where its messages are. */
  stream?: string
  attributes?: api.Attributes
}
type Cause = { traceparent?: string | undefined; id?: string; type?: string }

/** Does the work in a span, which fails if the work throws, or returns an object with an `error`. */
async function inSpan<Result>(about: About, work: () => Promise<Result>): Promise<Result> {
  const { name, kind, cause, links = [], stream, attributes } = about
  const operation = kind === 'PRODUCER' ? 'send' : 'process'
  const options = {
    kind: api.SpanKind[kind],
    links: links.flatMap((link) => trace.getSpanContext(contextOf(link)) ?? []).map((context) => ({ context })),
    // By OpenTelemetry's semantic conventions.
    attributes: {
      ...(stream && { 'messaging.system': 'nats', 'messaging.destination.name': stream }),
      ...(stream && { 'messaging.operation.name': operation, 'messaging.operation.type': operation }),
      ...(cause?.id && { 'messaging.message.id': cause.id, 'cloudevents.event_type': cause.type }),
      ...attributes,
    },
  }
  const span = tracer.startSpan(name, options, contextOf(cause))
  try {
    const result = await context.with(trace.setSpan(ROOT_CONTEXT, span), work)
    const { error } = Object(result) as { error?: unknown }
    if (error) noteFailure(span, error)
    return result
  } catch (error) {
    noteFailure(span, error)
    throw error
  } finally {
    span.end()
  }
}

/** Handles a batch of a consumer in a span that links to its events, and each event in a span of its own trace. */
function inSpans<Result>(
  { stream, consumer }: { stream: string; consumer: string },
  events: Cause[],
  handle: () => Promise<Result>[],
): Promise<Result>[] {
  let handled: Promise<Result>[] = []
  const shared = { kind: 'CONSUMER', stream } as const
  const group = { 'messaging.consumer.group.name': consumer }
  const attributes = { ...group, 'messaging.batch.message_count': events.length }
  void inSpan({ ...shared, name: `process batch ${consumer}`, links: events, attributes }, () => {
    const batch: Cause = {}
    propagation.inject(context.active(), batch)
    const about = { ...shared, name: `process ${consumer}`, links: [batch], attributes: group }
    handled = handle().map((outcome, i) => inSpan({ ...about, cause: events[i] }, () => outcome))
    return Promise.allSettled(handled)
  })
  return handled
}

const contextOf = (cause: Cause = {}) => propagation.extract(ROOT_CONTEXT, cause)

/** Without the text of the error. */
function noteFailure(span: api.Span | undefined, error: unknown): void {
  const { reason, codeName, code, name } = Object(error) as Record<string, unknown>
  const kind = [reason, codeName, code, name].find((one) => typeof one === 'string') ?? 'unknown'
  span?.setStatus({ code: api.SpanStatusCode.ERROR }).setAttribute('error.type', String(kind))
}
