import { routes, UserAnswer, UserId } from '@cqrs/contracts'
import type { Audit, Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { deactivate, refuseUnlessAdmin } from '../domain/access.ts'
import { answerOf, etagOf } from '../http/answers.ts'
import { audited } from '../http/audited.ts'
import { contextOf } from '../http/context.ts'
import type { Relay } from '../publishing/relay.ts'
import { forgetSessions } from '../sign-in/forget-sessions.ts'
import type { Sessions } from '../sign-in/sessions.ts'
import { loadDecideSave } from '../store/change-user.ts'
import type { UserRepository } from '../store/user-repository.ts'

/** POST /api/v1/users/:id/deactivate, for admins: 200 with the user, also where it was inactive already. Its sessions end. */
export function deactivateUser(app: HttpServer, { users, relay, sessions, audit, authenticate }: Parts): void {
  app.post(
    routes.deactivateUser.path,
    {
      config: {
        summary: 'Deactivate a user',
        headers: ['ETag'],
        problems: ['not-allowed', 'user-not-found', 'version-conflict', 'storage-unavailable'],
      },
      onRequest: authenticate,
      onResponse: audited('deactivate-user', { audit }),
      schema: { params: Type.Object({ id: UserId }), response: { 200: UserAnswer } },
    },
    async (request, reply) => {
      const context = contextOf(request)
      refuseUnlessAdmin(context.caller)
      const user = await loadDecideSave(users, request.params.id, async (current) => {
        const change = deactivate(current, context)
        if (!change) return current
        if (!(await users.save(change, current.version))) return undefined
        relay.publish(change.event)
        return change.state
      })
      await forgetSessions(user.id, request, { sessions })
      return reply.header('etag', etagOf(user)).send(answerOf(user))
    },
  )
}

type Parts = { users: UserRepository; relay: Relay; sessions: Sessions; audit: Audit; authenticate: Authenticate }
