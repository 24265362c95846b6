import { routes, UserAnswer, UserId } from '@cqrs/contracts'
import type { Audit, Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { activate, refuseUnlessAdmin } from '../domain/access.ts'
import { answerOf, etagOf } from '../http/answers.ts'
import { audited } from '../http/audited.ts'
import { contextOf } from '../http/context.ts'
import type { Relay } from '../publishing/relay.ts'
import { loadDecideSave } from '../store/change-user.ts'
import type { UserRepository } from '../store/user-repository.ts'

/** POST /api/v1/users/:id/activate, for admins: 200 with the user, also where it was active already. */
export function activateUser(
  app: HttpServer,
  {
    users,
    relay,
    audit,
    authenticate,
  }: { users: UserRepository; relay: Relay; audit: Audit; authenticate: Authenticate },
): void {
  app.post(
    routes.activateUser.path,
    {
      config: {
        summary: 'Activate a user',
        headers: ['ETag'],
        problems: ['not-allowed', 'user-not-found', 'version-conflict', 'storage-unavailable'],
      },
      onRequest: authenticate,
      onResponse: audited('activate-user', { audit }),
      schema: { params: Type.Object({ id: UserId }), response: { 200: UserAnswer } },
    },
    async (request, reply) => {
      const context = contextOf(request)
      refuseUnlessAdmin(context.caller)
      const user = await loadDecideSave(users, request.params.id, async (current) => {
        const change = activate(current, context)
        if (!change) return current
        if (!(await users.save(change, current.version))) return undefined
        relay.publish(change.event)
        return change.state
      })
      return reply.header('etag', etagOf(user)).send(answerOf(user))
    },
  )
}
