import { routes, UserAnswer, UserId } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { activate } from '../domain/access.ts'
import { admin } from '../domain/permissions.ts'
import { answerOf, headersOf } from '../http/answers.ts'
import { audited } from '../http/audited.ts'
import { contextOf } from '../http/context.ts'
import { only } from '../http/only.ts'
import { changeUser } from '../store/change-user.ts'
import type { Dependencies } from './dependencies.ts'

/** POST /api/v1/users/:id/activate, for admins: 200 with the user, also if it was active already. */
export function activateUser(app: HttpServer, dependencies: Dependencies): void {
  app.post(
    routes.activateUser.path,
    {
      config: {
        summary: 'Activate a user',
        headers: ['ETag', 'Consistency-Token'],
        problems: ['user-not-found', 'version-conflict', 'outbox-full', 'storage-unavailable'],
      },
      onRequest: dependencies.authenticate,
      preHandler: only(admin),
      onResponse: audited('activate-user', dependencies),
      schema: { params: Type.Object({ id: UserId }), response: { 200: UserAnswer } },
    },
    async (request, reply) => {
      const context = contextOf(request)
      const { user } = await changeUser(dependencies, request.params.id, (current) => activate(current, context))
      return reply.headers(headersOf(user)).send(answerOf(user))
    },
  )
}
