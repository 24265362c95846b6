import { routes, UserId } from '@cqrs/contracts'
import { aboutRequest, type HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { selfOrAdmin } from '../domain/permissions.ts'
import { remove, type User } from '../domain/user.ts'
import { headersOf } from '../http/answers.ts'
import { audited } from '../http/audited.ts'
import { ConditionHeaders, refuseUnlessMatching } from '../http/conditions.ts'
import { contextOf } from '../http/context.ts'
import { only } from '../http/only.ts'
import { forgetSessions } from '../sign-in/forget-sessions.ts'
import { changeUser } from '../store/change-user.ts'
import type { Dependencies } from './dependencies.ts'
import { keepAnAdmin } from './keep-an-admin.ts'

/** DELETE /api/v1/users/:id: 204; only a tombstone without personal data remains. */
export function deleteUser(app: HttpServer, dependencies: Dependencies): void {
  app.delete(
    routes.deleteUser.path,
    {
      config: {
        summary: 'Delete a user',
        headers: ['ETag', 'Consistency-Token'],
        problems: ['user-not-found', 'last-admin', 'version-conflict', 'precondition-failed', 'storage-unavailable'],
      },
      onRequest: dependencies.authenticate,
      preHandler: only(selfOrAdmin),
      onResponse: audited('delete-user', dependencies),
      schema: { params: Type.Object({ id: UserId }), headers: ConditionHeaders },
    },
    async (request, reply) => {
      const { id } = request.params
      const context = contextOf(request)
      const decide = async (current: User) => {
        refuseUnlessMatching(request.headers, current)
        await keepAnAdmin(current, dependencies)
        // Before the deletion: afterwards nothing knows the address, so a failure could not be retried.
        await dependencies.backOff.forget(current.email)
        return remove(current, context)
      }
      const { user: tombstone, previous } = await changeUser(dependencies, id, decide)
      await dependencies.backOff
        .forget(previous.email)
        .catch((err) =>
          request.log.warn(
            { err, ...aboutRequest(request) },
            'logins during the deletion not forgotten; they expire later',
          ),
        )
      await forgetSessions(id, request, dependencies)
      return reply.status(204).headers(headersOf(tombstone)).send()
    },
  )
}
