import { randomUUIDv7 } from 'node:crypto'
import { callerOf, traceparentOf } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import type { Context } from '../domain/user.ts'

/** What a decision needs to know about a request besides its input. */
export const contextOf = (request: FastifyRequest): Context => ({
  caller: callerOf(request),
  now: new Date(),
  eventId: randomUUIDv7(),
  traceparent: traceparentOf(request),
  requestid: request.id,
})
