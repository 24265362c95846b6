import { routes, UserAnswer, UserId } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { deactivate } from '../domain/access.ts'
import { admin } from '../domain/permissions.ts'
import { answerOf, headersOf } from '../http/answers.ts'
import { audited } from '../http/audited.ts'
import { contextOf } from '../http/context.ts'
import { only } from '../http/only.ts'
import { forgetSessions } from '../sign-in/forget-sessions.ts'
import { changeUser } from '../store/change-user.ts'
import type { Dependencies } from './dependencies.ts'
import { keepAnAdmin } from './keep-an-admin.ts'

/**
 * POST /api/v1/users/:id/deactivate, for admins: 200 with the user, also if it was inactive already. Its sessions end.
 */
export function deactivateUser(app: HttpServer, dependencies: Dependencies): void {
  app.post(
    routes.deactivateUser.path,
    {
      config: {
        summary: 'Deactivate a user',
        headers: ['ETag', 'Consistency-Token'],
        problems: ['user-not-found', 'last-admin', 'version-conflict', 'storage-unavailable'],
      },
      onRequest: dependencies.authenticate,
      preHandler: only(admin),
      onResponse: audited('deactivate-user', dependencies),
      schema: { params: Type.Object({ id: UserId }), response: { 200: UserAnswer } },
    },
    async (request, reply) => {
      const context = contextOf(request)
      const { user } = await changeUser(dependencies, request.params.id, async (current) => {
        await keepAnAdmin(current, dependencies)
        return deactivate(current, context)
      })
      await forgetSessions(user.id, request, dependencies)
      return reply.headers(headersOf(user)).send(answerOf(user))
    },
  )
}
