import { normaliseName, routes, UpdateUser, UserAnswer, UserId } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { selfOrAdmin } from '../domain/permissions.ts'
import { type User, update } from '../domain/user.ts'
import { answerOf, headersOf } from '../http/answers.ts'
import { audited } from '../http/audited.ts'
import { ConditionHeaders, refuseUnlessMatching } from '../http/conditions.ts'
import { contextOf } from '../http/context.ts'
import { IdempotencyHeaders, onceOf, replayed } from '../http/idempotency.ts'
import { only } from '../http/only.ts'
import { changeUser } from '../store/change-user.ts'
import type { Dependencies } from './dependencies.ts'
import { keepAnAdmin } from './keep-an-admin.ts'

/** PUT /api/v1/users/:id: 200 with the user, also if there is nothing to change. */
export function updateUser(app: HttpServer, dependencies: Dependencies): void {
  app.put(
    routes.updateUser.path,
    {
      config: {
        summary: 'Replace name and roles of a user',
        headers: ['ETag', 'Consistency-Token', 'Idempotency-Replayed'],
        problems: [
          'role-not-allowed',
          'user-not-found',
          'last-admin',
          'version-conflict',
          'idempotency-key-reused',
          'precondition-failed',
          'outbox-full',
          'storage-unavailable',
        ],
      },
      onRequest: dependencies.authenticate,
      preHandler: only(selfOrAdmin),
      onResponse: audited('update-user', dependencies),
      schema: {
        params: Type.Object({ id: UserId }),
        headers: Type.Object({ ...ConditionHeaders.properties, ...IdempotencyHeaders.properties }),
        body: UpdateUser,
        response: { 200: UserAnswer },
      },
    },
    async (request, reply) => {
      const { headers, body } = request
      const input = { ...body, name: normaliseName(body.name) }
      const { id } = request.params
      const context = contextOf(request)
      const once = await onceOf(headers, ['update', context.caller?.id ?? '', id], input, dependencies.users)
      const decide = async (current: User) => {
        refuseUnlessMatching(headers, current)
        if (!input.roles.includes('admin')) await keepAnAdmin(current, dependencies)
        return update(current, input, context)
      }
      const { user, isReplay } = await changeUser(dependencies, id, decide, { once })
      return reply.headers({ ...headersOf(user), ...(isReplay && replayed) }).send(answerOf(user))
    },
  )
}
