import { RefreshSession, routes } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import type { RateLimits } from '../adapters/rate-limits.ts'
import type { Sessions } from '../adapters/sessions.ts'
import { limited } from './limited.ts'

/**
 * POST /api/v1/auth/logout: 204; the session of the refresh token is ended. As with RFC 7009, 2.2, a token that is none
 * or no longer good is answered alike: there is no session of it. The access token lives for its last minutes.
 */
export function logOut(app: HttpServer, { sessions, limits }: { sessions: Sessions; limits: RateLimits }): void {
  app.post(
    routes.logOut.path,
    {
      config: { summary: 'End a session', problems: ['storage-unavailable'] },
      onRequest: limited('refresh', { limits }),
      schema: { body: RefreshSession },
    },
    async (request, reply) => {
      await sessions.end(request.body.refreshToken)
      return reply.status(204).send()
    },
  )
}
