import { LogIn, routes, SessionAnswer } from '@cqrs/contracts'
import type { Audit, HttpServer } from '@cqrs/service-kit'
import { limited } from '../http/limited.ts'
import type { AccessTokenSigner } from '../sign-in/access-token-signer.ts'
import { checkCredentials } from '../sign-in/check-credentials.ts'
import type { LoginBackOff } from '../sign-in/login-back-off.ts'
import { openSession } from '../sign-in/open-session.ts'
import type { PasswordHasher } from '../sign-in/password-hasher.ts'
import type { RateLimits } from '../sign-in/rate-limits.ts'
import type { Sessions } from '../sign-in/sessions.ts'
import type { UserRepository } from '../store/user-repository.ts'

/** POST /api/v1/auth/login: 200 with an access token, and a refresh token to get the next ones with. Why it is refused is not told, neither by text nor by time. */
export function logIn(app: HttpServer, parts: Parts): void {
  app.post(
    routes.logIn.path,
    {
      config: {
        summary: 'Log in',
        headers: ['Cache-Control'],
        problems: ['invalid-credentials', 'storage-unavailable'],
      },
      onRequest: limited('log-in', parts),
      schema: { body: LogIn, response: { 200: SessionAnswer } },
    },
    async (request, reply) => {
      const user = await parts.passwords.admit(() => checkCredentials(request.body, request, parts))
      return reply.send(await openSession(user, parts))
    },
  )
}

type Parts = {
  users: UserRepository
  passwords: PasswordHasher
  tokens: AccessTokenSigner
  sessions: Sessions
  limits: RateLimits
  backOff: LoginBackOff
  audit: Audit
}
