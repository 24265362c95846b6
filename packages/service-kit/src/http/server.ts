import { type ProblemCode, problem } from '@cqrs/contracts'
import cors from '@fastify/cors'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, LogController, type RouteOptions } from 'fastify'
import type { Logger } from '../process/logger.ts'
import type { HttpServer } from './http-server.ts'
import { answerProblems, sendProblem } from './problems.ts'
import { entriesOf, type HttpSettings } from './settings.ts'
import { compileValidator } from './validation.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * The handler ends in time by itself, so no timer is set for it: one for each request, with its signal, slows down answers
     * that are ready.
     */
    boundsItself?: true
  }
}

/**
 * A Fastify server with what all of ours share: strict validation, problem+json for every refusal, limits on size and
 * time, headers that keep browsers from doing more with an answer than read it, and one log line a request (the route,
 * not the URL: a query string can hold personal data).
 * @param requestTimeoutMs how long a client may take to send a request, its body included
 */
export function createServer(
  logger: Logger,
  settings: HttpSettings = {},
  { requestTimeoutMs = 10_000 }: { requestTimeoutMs?: number } = {},
): HttpServer {
  const proxies = entriesOf(settings.TRUSTED_PROXIES)
  const logsRequests = logger.isLevelEnabled('info')
  const app = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    // A logger for each request gives its lines one id. Without the line of the request itself, mostly none is written.
    ...(!logsRequests && { childLoggerFactory: (shared) => shared }),
    ...(proxies.length > 0 && { trustProxy: proxies }),
    bodyLimit: 16 * 1024,
    requestTimeout: requestTimeoutMs,
    // Silence on a connection, longer than any handler may take. Between requests it is `keepAliveTimeout`, which is
    // longer than that of the proxies in front, so that they never send on a connection that is just closed here.
    connectionTimeout: 60_000,
    keepAliveTimeout: 72_000,
    http: {
      maxHeaderSize: 16 * 1024,
      // Where this is more than `requestTimeout`, Node takes the one for the other: a body then has a minute.
      headersTimeout: requestTimeoutMs,
      // Node looks for requests that are overdue every 30 s if not told otherwise.
      connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs),
    },
    // What comes in on an open connection while the process stops is still answered.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 200 },
    // What is no HTTP at all, and URLs that cannot be decoded, come before any route and its error handler.
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) return
      socket.end(rawProblem(connectionProblems[error.code] ?? 'malformed-request'))
    },
    frameworkErrors: (_error, _request, reply) => {
      sendProblem(reply, problem('malformed-request'))
    },
  }).withTypeProvider<TypeBoxTypeProvider>()

  // What a request expects beside `100-continue` is not looked at (RFC 9110, 10.1.1); Node would answer 417 by itself.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  const routes: RouteOptions[] = []
  app.decorate('describedRoutes', routes)
  app.addHook('onRoute', (route) => void routes.push(route))
  app.removeContentTypeParser('text/plain') // Fastify's own: bodies are JSON, all others answer 415
  app.setValidatorCompiler(compileValidator)
  answerProblems(app)
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(headersOfAnswers)
    done()
  })
  const origins = entriesOf(settings.CORS_ORIGINS)
  if (origins.length > 0) app.register(cors, { ...corsOfTheApi, origin: origins })
  let isClosing = false
  app.addHook('preClose', (done) => {
    isClosing = true
    done()
  })
  // These hooks take no promise: that would make every answer wait for another turn.
  app.addHook('onSend', (_request, reply, _payload, done) => {
    // Node closes connections that are idle when it stops to listen; one in use then would be kept for `keepAliveTimeout`.
    if (isClosing) reply.header('connection', 'close')
    done()
  })
  app.addHook('onRoute', (route) => {
    if (!route.config?.boundsItself) route.handlerTimeout ??= 15_000
  })
  if (logsRequests) {
    app.addHook('onResponse', ({ log, method, routeOptions }, reply, done) => {
      const route = routeOptions.url ?? 'none'
      log.info({ method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'request')
      done()
    })
  }
  return app
}

/**
 * Nearly every answer holds personal data or a token, so none is kept unless its handler says so. And all of them are
 * data: a browser must not run, frame or embed them, or guess another type than the one they declare.
 * These are the headers of OWASP's REST Security Cheat Sheet ("Security Headers"); MDN explains each by its name.
 */
const headersOfAnswers = {
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
}

/** Tokens travel in a header that a page sets itself, so no credentials of the browser are wanted. */
const corsOfTheApi = {
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
  allowedHeaders: ['Authorization', 'Content-Type', 'If-Match', 'If-None-Match', 'Idempotency-Key', 'X-Min-Version'],
  exposedHeaders: ['ETag', 'Location', 'Retry-After', 'WWW-Authenticate', 'Idempotency-Replayed'],
  maxAge: 600,
  strictPreflight: false,
}

const connectionProblems: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
}

/** Without a reason phrase, which nobody reads (RFC 9112, 4): Node's are in a module that brings 4 MiB along. */
function rawProblem(code: ProblemCode): string {
  const { status } = problem(code)
  const body = JSON.stringify(problem(code))
  return (
    `HTTP/1.1 ${status} \r\nContent-Type: application/problem+json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  )
}
