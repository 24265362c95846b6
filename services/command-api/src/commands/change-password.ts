import { ChangePassword, Refusal, routes, UserAnswer, UserId } from '@cqrs/contracts'
import type { Audit, Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { changePassword as decide, refuseUnlessSelf } from '../domain/access.ts'
import { answerOf, etagOf } from '../http/answers.ts'
import { contextOf } from '../http/context.ts'
import type { Relay } from '../publishing/relay.ts'
import { isPassword } from '../sign-in/check-credentials.ts'
import { forgetSessions } from '../sign-in/forget-sessions.ts'
import type { LoginBackOff } from '../sign-in/login-back-off.ts'
import type { PasswordHasher } from '../sign-in/password-hasher.ts'
import type { Sessions } from '../sign-in/sessions.ts'
import { loadDecideSave } from '../store/change-user.ts'
import type { UserRepository } from '../store/user-repository.ts'

/** POST /api/v1/users/:id/password: 200 with the user. Every session ends, the caller's too: it logs in anew. */
export function changePassword(app: HttpServer, { authenticate, ...parts }: Parts): void {
  const { users, relay, passwords, sessions } = parts
  app.post(
    routes.changePassword.path,
    {
      config: {
        summary: 'Change the own password',
        headers: ['ETag'],
        problems: [
          'not-allowed',
          'wrong-password',
          'password-too-common',
          'user-not-found',
          'version-conflict',
          'storage-unavailable',
        ],
      },
      onRequest: authenticate,
      schema: { params: Type.Object({ id: UserId }), body: ChangePassword, response: { 200: UserAnswer } },
    },
    async (request, reply) => {
      const { id } = request.params
      const { currentPassword, newPassword } = request.body
      const context = contextOf(request)
      refuseUnlessSelf(id, context.caller)
      let passwordHash: string | undefined
      const user = await loadDecideSave(users, id, async (current) => {
        const claim = { user: current, email: current.email, password: currentPassword, action: 'change-password' }
        if (!(await isPassword(claim, request, parts))) throw new Refusal('wrong-password')
        passwordHash ??= await passwords.hash(newPassword, current)
        const change = decide(current, passwordHash, context)
        if (!(await users.save(change, current.version))) return undefined
        relay.publish(change.event)
        return change.state
      })
      await forgetSessions(id, request, { sessions })
      return reply.header('etag', etagOf(user)).send(answerOf(user))
    },
  )
}

type Parts = {
  users: UserRepository
  relay: Relay
  passwords: PasswordHasher
  sessions: Sessions
  backOff: LoginBackOff
  audit: Audit
  authenticate: Authenticate
}
