import { routes, UserId } from '@cqrs/contracts'
import type { Audit, Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { refuseUnlessSelfOrAdmin, remove } from '../domain/user.ts'
import { etagOf } from '../http/answers.ts'
import { audited } from '../http/audited.ts'
import { ConditionHeaders, refuseUnlessMatching } from '../http/conditions.ts'
import { contextOf } from '../http/context.ts'
import type { Relay } from '../publishing/relay.ts'
import { forgetSessions } from '../sign-in/forget-sessions.ts'
import type { LoginBackOff } from '../sign-in/login-back-off.ts'
import type { Sessions } from '../sign-in/sessions.ts'
import { loadDecideSave } from '../store/change-user.ts'
import type { UserRepository } from '../store/user-repository.ts'

/** DELETE /api/v1/users/:id: 204; only a tombstone without personal data is kept. */
export function deleteUser(app: HttpServer, { users, relay, sessions, backOff, audit, authenticate }: Parts): void {
  app.delete(
    routes.deleteUser.path,
    {
      config: {
        summary: 'Delete a user',
        headers: ['ETag'],
        problems: ['not-allowed', 'user-not-found', 'version-conflict', 'precondition-failed', 'storage-unavailable'],
      },
      onRequest: authenticate,
      onResponse: audited('delete-user', { audit }),
      schema: { params: Type.Object({ id: UserId }), headers: ConditionHeaders },
    },
    async (request, reply) => {
      const { id } = request.params
      const context = contextOf(request)
      refuseUnlessSelfOrAdmin(id, context.caller)
      const tombstone = await loadDecideSave(users, id, async (current) => {
        refuseUnlessMatching(request.headers['if-match'], current)
        const change = remove(current, context)
        if (!(await users.bury(change, current.version))) return undefined
        relay.publish(change.event)
        await backOff.forget(current.email).catch((err) => request.log.warn({ err }, 'failed logins not erased yet'))
        return change.state
      })
      await forgetSessions(id, request, { sessions })
      return reply.status(204).header('etag', etagOf(tombstone)).send()
    },
  )
}

type Parts = {
  users: UserRepository
  relay: Relay
  sessions: Sessions
  backOff: LoginBackOff
  audit: Audit
  authenticate: Authenticate
}
