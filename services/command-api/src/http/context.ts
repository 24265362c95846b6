import { randomUUIDv7 } from 'node:crypto'
import { callerOf } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import type { Context } from '../domain/user.ts'

/** What a decision needs to know about a request besides its input. */
export function contextOf(request: FastifyRequest): Context {
  const { traceparent } = request.headers
  return {
    caller: callerOf(request),
    now: new Date(),
    eventId: randomUUIDv7(),
    // W3C Trace Context, 3.2: a malformed value is ignored.
    traceparent: typeof traceparent === 'string' && tracePattern.test(traceparent) ? traceparent : undefined,
  }
}

const tracePattern = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/
