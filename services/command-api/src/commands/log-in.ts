import { LogIn, LogInAnswer, routes } from '@cqrs/contracts'
import { type HttpServer, sourceOf } from '@cqrs/service-kit'
import { tokenOf } from '../http/answers.ts'
import { limited } from '../http/limited.ts'
import { checkCredentials } from '../sign-in/check-credentials.ts'
import { openSession } from '../sign-in/open-session.ts'
import type { Dependencies } from './dependencies.ts'

/**
 * POST /api/v1/auth/login: 200 with an access token, a refresh token to get the next ones, and a device token for the
 * next login. A refusal does not reveal its reason, neither by text nor by time.
 */
export function logIn(app: HttpServer, dependencies: Dependencies): void {
  app.post(
    routes.logIn.path,
    {
      config: {
        summary: 'Log in',
        headers: ['Cache-Control', 'Consistency-Token'],
        problems: ['invalid-credentials', 'storage-unavailable'],
      },
      onRequest: limited('log-in', dependencies),
      schema: { body: LogIn, response: { 200: LogInAnswer } },
    },
    async (request, reply) => {
      const { user, device } = await dependencies.passwords.admit(sourceOf(request), () =>
        checkCredentials(request.body, request, dependencies),
      )
      const session = await openSession(user, dependencies)
      return reply
        .headers(tokenOf(user))
        .send({ ...session, deviceToken: dependencies.tokens.signDevice(user, device) })
    },
  )
}
