import {
  allowedMethods,
  consistencyToken,
  consistencyTokenHeader,
  type Problem,
  type ProblemCode,
  problem,
  Refusal,
} from '@cqrs/contracts'
import type { ErrorObject } from 'ajv'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { isStorageUnavailable } from '../mongo/client.ts'
import type { HttpServer } from './http-server.ts'
import { aboutRequest } from './request-id.ts'

/** Answers every error, unknown path and unsupported method as application/problem+json from the table in contracts. */
export function answerProblems(app: HttpServer): void {
  app.decorateReply('problemCode', undefined)
  app.setErrorHandler((error: FastifyError, request, reply) => {
    // A handler can throw anything, even undefined.
    const refused = describe(Object(error))
    if (refused.status >= 500 && !(error instanceof Refusal))
      request.log.error({ err: error, ...aboutRequest(request) }, 'request failed')
    if (refused.status === 503 || refused.status === 429) reply.header('retry-after', retryAfterSeconds(error))
    if (error instanceof Refusal && error.deleted) {
      const { id, version } = error.deleted
      reply.header(consistencyTokenHeader, consistencyToken({ users: [[id, version]] }))
    }
    return sendProblem(reply, refused)
  })
  app.setNotFoundHandler((request, reply) => {
    const methods = allowedMethods(pathOf(request))
    if (methods.length === 0) return sendProblem(reply, problem('route-not-found'))
    return sendProblem(reply.header('allow', methods.join(', ')), problem('method-not-allowed'))
  })
}

declare module 'fastify' {
  interface FastifyReply {
    /** The code of the problem that was answered. */
    problemCode: ProblemCode | undefined
  }
}

export function sendProblem(reply: FastifyReply, body: Problem): FastifyReply {
  reply.problemCode = body.code
  if (body.status === 401) reply.header('www-authenticate', challenges[body.code] ?? 'Bearer')
  const { id } = reply.request
  reply.status(body.status).header('x-request-id', id).type('application/problem+json')
  return reply.send(JSON.stringify({ ...body, instance: id }))
}

/** An error code only where a token was refused (RFC 6750, 3). */
const invalidToken = 'Bearer error="invalid_token"'
const challenges: Partial<Record<ProblemCode, string>> = {
  'token-invalid': invalidToken,
  'token-expired': invalidToken,
  'token-revoked': invalidToken,
}

function describe(error: FastifyError): Problem {
  if (error instanceof Refusal) {
    const { code, detail, errors } = error
    return problem(code, { ...(detail && { detail }), ...(errors && { errors }) })
  }
  if (error.validation) return problem('validation-failed', { errors: validationErrors(error) })
  const code = frameworkProblems[error.code]
  if (code) return problem(code)
  if (isStorageUnavailable(error)) return problem('storage-unavailable')
  if (error.statusCode && error.statusCode >= 400 && error.statusCode < 500) return problem('malformed-request')
  return problem('internal')
}

const frameworkProblems: Record<string, ProblemCode> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed-json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed-json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_HANDLER_TIMEOUT: 'overloaded',
}

/** What is wrong with which part of the request; never the value that was sent. */
function validationErrors(error: FastifyError): NonNullable<Problem['errors']> {
  const part = error.validationContext ?? 'body'
  return ((error.validation ?? []) as ErrorObject[]).map((error) => {
    const { instancePath, params, keyword, message } = error
    const field = params['missingProperty'] ?? params['additionalProperty']
    const pointer = `#/${part}${instancePath}${field === undefined ? '' : `/${escaped(field)}`}`
    return { pointer, detail: inWords[keyword]?.(error) ?? message ?? 'has the wrong format' }
  })
}

/** Where Ajv's own message quotes the regular expression, leaves out what is allowed, or is in jargon. */
const inWords: Record<string, (error: ErrorObject) => string> = {
  pattern: ({ parentSchema }) => Object(parentSchema)['x-detail'] ?? 'has the wrong format',
  enum: ({ params }) => `must be one of: ${params['allowedValues'].join(', ')}`,
  required: () => 'is missing',
  additionalProperties: () => 'is unknown',
}

/** Escapes a name for a JSON Pointer (RFC 6901, 3). */
const escaped = (name: unknown): string => String(name).replaceAll('~', '~0').replaceAll('/', '~1')

const retryAfterSeconds = (error: unknown): number => (error instanceof Refusal && error.retryAfterSeconds) || 1

/** Fastify's router also ends a path at #. */
const pathOf = (request: FastifyRequest): string => request.url.split(/[?#]/, 1)[0] ?? ''
