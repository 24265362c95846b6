import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { problem } from '@cqrs/contracts'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController, type RawServerDefault } from 'fastify'
import type { Logger } from '../logger.ts'
import { answerProblems, sendProblem } from './problems.ts'
import { compileValidator } from './validation.ts'

/** A Fastify instance whose handlers get their types from typebox schemas. */
export type HttpServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/**
 * A Fastify server with what all of ours share: strict validation, problem+json for every refusal, limits on size and
 * time, and one log line a request (the route, not the URL: a query string can hold personal data).
 */
export function createServer(logger: Logger): HttpServer {
  const app = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 16 * 1024,
    requestTimeout: 10_000,
    handlerTimeout: 15_000,
    routerOptions: { maxParamLength: 200 },
    // What is no HTTP at all, and URLs that cannot be decoded, come before any route and its error handler.
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) return
      socket.end(rawProblem(error.code === 'HPE_HEADER_OVERFLOW' ? 'headers-too-large' : 'malformed-request'))
    },
    frameworkErrors: (_error, _request, reply) => {
      sendProblem(reply, problem('malformed-request'))
    },
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.removeContentTypeParser('text/plain') // Fastify's own: bodies are JSON, all others answer 415
  app.setValidatorCompiler(compileValidator)
  answerProblems(app)
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    request.log.info(
      { method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      'request',
    )
  })
  return app
}

function rawProblem(code: 'headers-too-large' | 'malformed-request'): string {
  const { status } = problem(code)
  const body = JSON.stringify(problem(code))
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  )
}
