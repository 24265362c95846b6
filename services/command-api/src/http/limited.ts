import { refusing, sourceOf } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import type { RateLimits } from '../sign-in/rate-limits.ts'

/**
 * The `onRequest` hook of a route with a rate limit for each source. It runs before the body is read, so it counts
 * every request, also those that fail.
 */
export const limited = (what: Parameters<RateLimits['consume']>[0], { limits }: { limits: RateLimits }) =>
  refusing(['rate-limited', 'storage-unavailable'], (request: FastifyRequest) =>
    limits.consume(what, sourceOf(request)),
  )
