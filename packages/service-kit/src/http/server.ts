import { type ProblemCode, problem, problems } from '@cqrs/contracts'
import { type Logger, measureRequests } from '@cqrs/telemetry'
import cors from '@fastify/cors'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, LogController, type RouteOptions } from 'fastify'
import { statusesOf } from './description.ts'
import type { HttpServer } from './http-server.ts'
import { parseJson } from './parse-json.ts'
import { answerProblems, sendProblem } from './problems.ts'
import { aboutRequest, requestIdOf } from './request-id.ts'
import { entriesOf, type HttpSettings } from './settings.ts'
import { takeTurns } from './take-turns.ts'
import { compileValidator } from './validation.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The handler limits its own time; a timer of the server per request would slow down answers from memory. */
    boundsItself?: true
  }
}

/**
 * A Fastify server with what all services share: strict validation, problem+json for every refusal, limits on size and
 * time, security headers, and one log line per request (the route, not the URL: a query string can hold personal data).
 * @param requestTimeoutMs the time in which a client must have sent its request, including the body
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
    genReqId: requestIdOf,
    // Lines name their request themselves, see `aboutRequest`: a child logger for each would cost more than it saves.
    childLoggerFactory: (shared, _bindings, { level }) => (level ? shared.child({}, { level }) : shared),
    ...(proxies.length > 0 && { trustProxy: proxies }),
    bodyLimit: 16 * 1024,
    requestTimeout: requestTimeoutMs,
    // Idle time within a request, longer than any handler may take. Between requests it is `keepAliveTimeout`, longer
    // than that of the proxies in front, so that a proxy never reuses a connection that is being closed here.
    connectionTimeout: 60_000,
    keepAliveTimeout: 72_000,
    http: {
      maxHeaderSize: 16 * 1024,
      // With more than `requestTimeout` here, Node swaps the two, and a body has a minute.
      headersTimeout: requestTimeoutMs,
      // By default Node checks for overdue requests every 30 s.
      connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs),
    },
    // While the process stops, requests on open connections are still answered.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 200 },
    // Invalid HTTP and URLs that cannot be decoded never reach a route or its error handler.
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) return
      const code = connectionProblems[error.code] ?? 'malformed-request'
      const id = requestIdOf({ headers: {} })
      logger.info({ request_id: id, route: 'none', status: problems[code][0], code }, 'request')
      socket.end(rawProblem(code, id))
    },
    frameworkErrors: (_error, _request, reply) => {
      sendProblem(reply, problem('malformed-request'))
    },
  }).withTypeProvider<TypeBoxTypeProvider>()

  // An `Expect` other than `100-continue` is ignored (RFC 9110, 10.1.1); Node would answer 417.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  const routes: RouteOptions[] = []
  app.decorate('describedRoutes', routes)
  app.addHook('onRoute', (route) => void routes.push(route))
  app.removeAllContentTypeParsers() // bodies other than JSON answer 415
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, parseJson(app))
  app.setValidatorCompiler(compileValidator)
  answerProblems(app)
  measureRequests(app, routes, statusesOf)
  takeTurns(app)
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(headersOfAnswers).header('x-request-id', request.id)
    done()
  })
  const origins = entriesOf(settings.CORS_ORIGINS)
  if (origins.length > 0) app.register(cors, { ...corsOfTheApi, origin: origins })
  let isClosing = false
  app.addHook('preClose', (done) => {
    isClosing = true
    done()
  })
  // Hooks with callbacks: a promise would delay every answer by one more turn.
  app.addHook('onSend', (_request, reply, _payload, done) => {
    // When it stops listening, Node closes idle connections; one in use would stay open for `keepAliveTimeout`.
    if (isClosing) reply.header('connection', 'close')
    done()
  })
  app.addHook('onRoute', (route) => {
    if (!route.config?.boundsItself) route.handlerTimeout ??= 15_000
  })
  if (logsRequests) {
    app.addHook('onResponse', (request, reply, done) => {
      const { statusCode: status, problemCode: code } = reply
      const about = { ...aboutRequest(request), method: request.method, route: request.routeOptions.url ?? 'none' }
      request.log.info({ ...about, status, ...(code && { code }), ms: Math.round(reply.elapsedTime) }, 'request')
      done()
    })
  }
  return app
}

/**
 * Nearly every answer holds personal data or a token, so none is kept unless its handler says so. And all of them are
 * data: a browser must not run, frame or embed them, or guess another type than the one they declare. These are the
 * headers of OWASP's REST Security Cheat Sheet ("Security Headers"); MDN explains each by its name.
 */
const headersOfAnswers = {
  'content-security-policy': "default-src 'none';base-uri 'none';frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
}

/** A page sets the token in a header itself, so the browser's credentials are not allowed. */
const corsOfTheApi = {
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
  allowedHeaders: [
    'Authorization',
    'Consistency-Token',
    'Content-Type',
    'Idempotency-Key',
    'If-Match',
    'If-None-Match',
    'Traceparent',
    'X-Min-Version',
    'X-Request-Id',
  ],
  exposedHeaders: [
    'Consistency-Token',
    'ETag',
    'Idempotency-Replayed',
    'Location',
    'Retry-After',
    'WWW-Authenticate',
    'X-Request-Id',
  ],
  maxAge: 600,
  strictPreflight: false,
}

const connectionProblems: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
}

/** Without a reason phrase (RFC 9112, 4: clients ignore it), since Node's list is in a module of 4 MiB. */
function rawProblem(code: ProblemCode, requestId: string): string {
  const body = JSON.stringify({ ...problem(code), instance: requestId })
  return (
    `HTTP/1.1 ${problems[code][0]} \r\nContent-Type: application/problem+json\r\nX-Request-Id: ${requestId}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  )
}
