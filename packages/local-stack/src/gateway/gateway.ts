import { Readable } from 'node:stream'
import { problem } from '@cqrs/contracts'
import { createLogger, createServer, type HttpServer, type Logger, sendProblem } from '@cqrs/service-kit'
import replyFrom from '@fastify/reply-from'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { allReady, type ServiceUrls } from './readiness.ts'
import { answerReference } from './reference.ts'
import { normalisePath, upstreamFor } from './routing.ts'

/** Starts the gateway in this process, on localhost; it answers while the services still start. */
export async function startGateway(
  port: number,
  services: ServiceUrls,
  onLogLine: (line: string) => void,
): Promise<{ stop: () => Promise<void> }> {
  const gateway = buildGateway(services, gatewayLogger(onLogLine))
  await gateway.listen({ host: 'localhost', port })
  return { stop: () => gateway.close() }
}

/** The one address in front of the services. `/healthz` is its own; every other request goes to a service. */
export function buildGateway(services: ServiceUrls, logger: Logger): HttpServer {
  const app = createServer(logger)
  // Shorter than the server's own limit for a handler: a service that hangs is the service's fault, and said so.
  app.register(replyFrom, {
    disableRequestLogging: true,
    destroyAgent: true,
    undici: { headersTimeout: 12_000, connectTimeout: 2_000 },
  })
  // Bodies are read to the end before they are passed on, which the server's limit bounds. While one is passed on as it
  // comes, a service that refuses its size closes the connection, and often nobody sees its 413 any more.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, Readable.from([body])))
  app.get('/healthz', { logLevel: 'silent' }, async (_request, reply) => {
    const { ready, said } = await allReady(services)
    return reply.status(ready ? 200 : 503).send(ready ? { status: 'ok' } : { status: 'unready', services: said })
  })
  answerReference(app)
  app.all('/*', (request, reply) => forward(request, reply, services))
  return app
}

function forward(request: FastifyRequest, reply: FastifyReply, services: ServiceUrls): FastifyReply {
  const path = request.url.split('?', 1)[0] ?? '/'
  const upstream = upstreamFor(request.method, path)
  return reply.from(normalisePath(path), {
    getUpstream: () => services[upstream],
    rewriteRequestHeaders: (_request, headers) => requestHeaders(request, headers),
    rewriteHeaders: (headers) => ({ ...headers, connection: undefined, 'keep-alive': undefined }),
    // A 503 is the client's to try again. The library would do it ten times by itself, and takes no 0.
    retryDelay: () => null,
    onError: () => {
      reply.header('retry-after', '1')
      sendProblem(reply, problem('upstream-unavailable', { detail: `${upstream} does not answer` }))
    },
  })
}

function requestHeaders(request: FastifyRequest, headers: Headers): Headers {
  const forwarded: Headers = {
    ...headers,
    // Set, not appended to: nobody in front of this gateway can be trusted to tell the client's address.
    'x-forwarded-for': request.ip,
    'x-forwarded-host': request.headers.host,
    'x-forwarded-proto': 'http',
  }
  // These are about the connection to the gateway; the HTTP client refuses to send them.
  for (const name of ['expect', 'upgrade', 'keep-alive', 'te', 'trailer', 'proxy-connection']) delete forwarded[name]
  // A body that came with GET or HEAD is not forwarded.
  if (request.body === undefined) delete forwarded['content-length']
  return forwarded
}

// In the form of the services' log lines, and only what is wrong: each service logs its requests itself.
const gatewayLogger = (onLine: (line: string) => void): Logger =>
  createLogger('gateway', 'warn', { write: (line) => onLine(line.trimEnd()) })

type Headers = Record<string, string | string[] | undefined>
