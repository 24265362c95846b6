import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { problem } from '@cqrs/contracts'
import { createLogger, createServer, type HttpServer, type Logger, sendProblem } from '@cqrs/service-kit'
import replyFrom from '@fastify/reply-from'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { allReady, type ServiceUrls } from './readiness.ts'
import { answerReference } from './reference.ts'
import { normalisePath, upstreamFor } from './routing.ts'

/** Starts the gateway in this process, on localhost. It answers while the services are still starting. */
export async function startGateway(
  port: number,
  services: ServiceUrls,
  { onLogLine, console }: { onLogLine: (line: string) => void; console?: string },
): Promise<{ stop: () => Promise<void> }> {
  const gateway = buildGateway(services, gatewayLogger(onLogLine), console)
  await gateway.listen({ host: 'localhost', port })
  return { stop: () => gateway.close() }
}

/**
 * The gateway in front of the services. It answers `/healthz` and `/docs` itself and forwards every other request.
 * @param console where the operator's console is, if it runs: a gateway of production does not expose it
 */
export function buildGateway(services: ServiceUrls, logger: Logger, console?: string): HttpServer {
  const app = createServer(logger)
  // Shorter than the handler timeout of this server, so that the response blames the service that hangs.
  app.register(replyFrom, {
    disableRequestLogging: true,
    destroyAgent: true,
    undici: { headersTimeout: 12_000, connectTimeout: 2_000 },
  })
  // Bodies are read completely, within the size limit of the server, before they are forwarded. If a body were
  // streamed, a service that refuses its size would close the connection, and the client would often miss the 413.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, Readable.from([body])))
  app.get('/healthz', { logLevel: 'silent' }, async (_request, reply) => {
    const { ready, answers } = await allReady(services)
    return reply.status(ready ? 200 : 503).send(ready ? { status: 'ok' } : { status: 'unready', services: answers })
  })
  answerReference(app)
  if (console) {
    // It sends the state of the system for as long as somebody looks, which must not hold up a stop.
    const open = new Set<ServerResponse>()
    app.addHook('preClose', async () => {
      for (const response of open) response.destroy()
    })
    for (const path of ['/console', '/console/*', '/operator/*'])
      app.all(path, { config: { boundsItself: true } }, (request, reply) => {
        open.add(reply.raw.once('close', () => open.delete(reply.raw)))
        return forward(request, reply, { name: 'operator', url: console })
      })
  }
  app.all('/*', (request, reply) => {
    const name = upstreamFor(request.method, pathOf(request))
    return forward(request, reply, { name, url: services[name] })
  })
  return app
}

function forward(request: FastifyRequest, reply: FastifyReply, upstream: { name: string; url: string }): FastifyReply {
  const path = normalisePath(pathOf(request))
  if (internalPaths.has(path)) return sendProblem(reply, problem('route-not-found'))
  return reply.from(path, {
    getUpstream: () => upstream.url,
    rewriteRequestHeaders: (_request, headers) => requestHeaders(request, headers),
    rewriteHeaders: ({ connection: _, 'keep-alive': __, ...headers }) => headers,
    // The client retries after a 503. By default the library itself retries ten times, and it does not accept 0.
    retryDelay: () => null,
    onError: () => {
      reply.header('retry-after', '1')
      sendProblem(reply, problem('upstream-unavailable', { detail: `${upstream.name} is not responding` }))
    },
  })
}

/** As the client sent it. */
const pathOf = ({ url }: FastifyRequest): string => url.split('?', 1)[0] ?? '/'

/** Only for the network of the services. */
const internalPaths = new Set(['/readyz', '/metrics'])

function requestHeaders(request: FastifyRequest, headers: Headers): Headers {
  const forwarded: Headers = {
    ...headers,
    // Set, not appended: no proxy in front of this gateway is trusted to report the client's address.
    'x-forwarded-for': request.ip,
    'x-forwarded-host': request.headers.host,
    'x-forwarded-proto': 'http',
    'x-request-id': request.id,
  }
  // These headers describe the connection to the gateway; the HTTP client refuses to send them.
  for (const name of ['expect', 'upgrade', 'keep-alive', 'te', 'trailer', 'proxy-connection']) delete forwarded[name]
  // The body of a GET or HEAD request is not forwarded.
  if (request.body === undefined) delete forwarded['content-length']
  return forwarded
}

// The format of the services' logs, warnings and errors only: each service logs its own requests.
const gatewayLogger = (onLine: (line: string) => void): Logger =>
  createLogger('gateway', 'warn', { write: (line) => onLine(line.trimEnd()) })

type Headers = Record<string, string | string[] | undefined>
