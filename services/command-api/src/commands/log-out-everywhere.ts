import { Refusal, routes } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import { endSessions } from '../domain/access.ts'
import { headersOf } from '../http/answers.ts'
import { contextOf } from '../http/context.ts'
import { forgetSessions } from '../sign-in/forget-sessions.ts'
import { changeUser } from '../store/change-user.ts'
import type { Dependencies } from './dependencies.ts'

/** POST /api/v1/auth/logout-all: 204; every session of the caller ends, and its access tokens are revoked. */
export function logOutEverywhere(app: HttpServer, dependencies: Dependencies): void {
  app.post(
    routes.logOutEverywhere.path,
    {
      config: {
        summary: 'End every session of the caller',
        headers: ['ETag', 'Consistency-Token'],
        problems: ['user-not-found', 'version-conflict', 'storage-unavailable'],
      },
      onRequest: dependencies.authenticate,
    },
    async (request, reply) => {
      const context = contextOf(request)
      if (!context.caller) throw new Refusal('token-missing')
      const { user } = await changeUser(dependencies, context.caller.id, (current) => endSessions(current, context))
      dependencies.audit({ action: 'log-out-everywhere', outcome: 'success', user_id: user.id }, request)
      await forgetSessions(user.id, request, dependencies)
      return reply.status(204).headers(headersOf(user)).send()
    },
  )
}
