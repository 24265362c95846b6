import { RefreshSession, routes } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import { limited } from '../http/limited.ts'
import type { Dependencies } from './dependencies.ts'

/**
 * POST /api/v1/auth/logout: 204; ends the session of the refresh token. As in RFC 7009, 2.2, an unknown or expired
 * token gets the same answer. The access token stays valid until it expires.
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
