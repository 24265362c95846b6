import { RefreshSession, routes } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import { limited } from '../http/limited.ts'
import type { Dependencies } from './dependencies.ts'

/**
 * POST /api/v1/auth/logout: 204; the session of the refresh token is ended. As with RFC 7009, 2.2, a token that is none
 * or no longer good is answered alike: there is no session of it. The access token lives for its last minutes.
 */
export function logOut(app: HttpServer, { sessions, limits, audit }: Dependencies): void {
  app.post(
    routes.logOut.path,
    {
      config: { summary: 'End a session', problems: ['storage-unavailable'] },
      onRequest: limited('refresh', { limits }),
      schema: { body: RefreshSession },
    },
    async (request, reply) => {
      const userId = await sessions.end(request.body.refreshToken)
      if (userId) audit({ action: 'log-out', outcome: 'success', user_id: userId }, request)
      return reply.status(204).send()
    },
  )
}
