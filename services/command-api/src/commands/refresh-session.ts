import { RefreshSession, Refusal, routes, SessionAnswer } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import { tokenOf } from '../http/answers.ts'
import { limited } from '../http/limited.ts'
import type { Dependencies } from './dependencies.ts'

/** POST /api/v1/auth/refresh: 200 as after a login. The token is replaced by the one in the answer. */
export function refreshSession(app: HttpServer, { users, sessions, tokens, limits, audit }: Dependencies): void {
  app.post(
    routes.refreshSession.path,
    {
      config: {
        summary: 'Get new tokens for a refresh token',
        headers: ['Cache-Control', 'Consistency-Token'],
        problems: ['refresh-token-invalid', 'storage-unavailable'],
      },
      onRequest: limited('refresh', { limits }),
      schema: { body: RefreshSession, response: { 200: SessionAnswer } },
    },
    async (request, reply) => {
      const refuse = (reason: string, userId?: string): never => {
        audit({ action: 'refresh', outcome: 'failure', reason, user_id: userId }, request)
        throw new Refusal('refresh-token-invalid')
      }
      const rotation = await sessions.rotate(request.body.refreshToken)
      if ('refused' in rotation) return refuse(rotation.refused, 'userId' in rotation ? rotation.userId : undefined)
      const { userId, userVersion, ...refresh } = rotation
      const user = await users.findById(userId)
      if (!user?.isActive || userVersion < user.tokensFromVersion) {
        await sessions.end(refresh.refreshToken)
        return refuse('session-revoked', userId)
      }
      audit({ action: 'refresh', outcome: 'success', user_id: userId }, request)
      return reply.headers(tokenOf(user)).send({ ...tokens.sign(user), ...refresh })
    },
  )
}
