import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'

/** The client's `X-Request-Id` if it is well-formed, else a new id of 32 hexadecimal digits. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const id = headers['x-request-id']
  return typeof id === 'string' && wellFormed.test(id) ? id : randomUUID().replaceAll('-', '')
}

/**
 * The trace of a request: that of its header `traceparent`, else one that follows from the request's id, so that every
 * line says the same. A malformed header is ignored (W3C Trace Context, 3.2).
 */
export function traceparentOf({ id, headers: { traceparent } }: Pick<FastifyRequest, 'id' | 'headers'>): string {
  if (typeof traceparent === 'string' && tracePattern.test(traceparent)) return traceparent
  const traceId = traceIdPattern.test(id) ? id : createHash('sha256').update(id).digest('hex').slice(0, 32)
  return `00-${traceId}-${traceId.slice(0, 15)}1-00`
}

/** What every log line about a request says of it. */
export const aboutRequest = (request: FastifyRequest) => ({
  request_id: request.id,
  trace_id: traceparentOf(request).slice(3, 35),
})

/** No `@` and no space, since it goes to logs and into events. */
const wellFormed = /^[\w.:-]{1,128}$/
const traceIdPattern = /^(?!0{32})[0-9a-f]{32}$/
const tracePattern = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
