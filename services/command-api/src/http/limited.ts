import { refusing, sourceOf } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import type { RateLimits } from '../sign-in/rate-limits.ts'

/**
 * The hook `onRequest` of a route that a source may ask only so often. It comes before the body is read, so it counts
 * every request, whatever would come of it.
 */
export const limited = (what: Parameters<RateLimits['consume']>[0], { limits }: { limits: RateLimits }) =>
  refusing(['rate-limited', 'storage-unavailable'], (request: FastifyRequest) =>
    limits.consume(what, sourceOf(request)),
  )
