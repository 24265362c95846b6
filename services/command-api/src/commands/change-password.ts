import { ChangePassword, Refusal, routes, UserAnswer, UserId } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { replacePassword } from '../domain/access.ts'
import { self } from '../domain/permissions.ts'
import type { User } from '../domain/user.ts'
import { answerOf, headersOf } from '../http/answers.ts'
import { ConditionHeaders, refuseUnlessMatching } from '../http/conditions.ts'
import { contextOf } from '../http/context.ts'
import { only } from '../http/only.ts'
import { refusalOf } from '../sign-in/check-credentials.ts'
import { forgetSessions } from '../sign-in/forget-sessions.ts'
import { changeUser } from '../store/change-user.ts'
import type { Dependencies } from './dependencies.ts'

/** POST /api/v1/users/:id/password: 200 with the user. Every session ends, also the caller's: it must log in again. */
export function changePassword(app: HttpServer, dependencies: Dependencies): void {
  app.post(
    routes.changePassword.path,
    {
      config: {
        summary: 'Change your own password',
        headers: ['ETag', 'Consistency-Token'],
        problems: [
          'rate-limited',
          'overloaded',
          'wrong-password',
          'password-too-common',
          'user-not-found',
          'version-conflict',
          'precondition-failed',
          'storage-unavailable',
        ],
      },
      onRequest: dependencies.authenticate,
      preHandler: only(self),
      schema: {
        params: Type.Object({ id: UserId }),
        headers: ConditionHeaders,
        body: ChangePassword,
        response: { 200: UserAnswer },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const { currentPassword, newPassword } = request.body
      const context = contextOf(request)
      const { audit, passwords } = dependencies
      let passwordHash: string | undefined
      let wrong: string | undefined
      const decide = async (current: User) => {
        refuseUnlessMatching(request.headers, current)
        wrong = await refusalOf(
          { user: current, email: current.email, password: currentPassword },
          request,
          dependencies,
        )
        if (wrong) throw new Refusal('wrong-password')
        passwordHash ??= await passwords.hash(newPassword, current)
        return replacePassword(current, passwordHash, context)
      }
      const entry = { action: 'change-password', user_id: id }
      // The caller's share, and not the source's: many users can have one source.
      const change = () => changeUser(dependencies, id, decide)
      const { user } = await passwords.admit(id, change).catch((error) => {
        audit(
          { ...entry, outcome: 'failure', reason: wrong ?? (error instanceof Refusal ? error.code : 'internal') },
          request,
        )
        throw error
      })
      audit({ ...entry, outcome: 'success' }, request)
      await forgetSessions(id, request, dependencies)
      return reply.headers(headersOf(user)).send(answerOf(user))
    },
  )
}
