import { routes, UserAnswer, UserId } from '@cqrs/contracts'
import type { Audit, Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import type { Relay } from '../adapters/relay.ts'
import type { Sessions } from '../adapters/sessions.ts'
import type { UserRepository } from '../adapters/user-repository.ts'
import { deactivate, refuseUnlessAdmin } from '../domain/access.ts'
import { answerOf, etagOf } from './answers.ts'
import { audited } from './audited.ts'
import { contextOf } from './context.ts'
import { forgetSessions } from './forget-sessions.ts'
import { loadDecideSave } from './load-decide-save.ts'

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
