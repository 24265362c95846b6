import { LogIn, routes, SessionAnswer } from '@cqrs/contracts'
import type { Audit, HttpServer } from '@cqrs/service-kit'
import type { AccessTokenSigner } from '../adapters/access-token-signer.ts'
import type { LoginBackOff } from '../adapters/login-back-off.ts'
import type { PasswordHasher } from '../adapters/password-hasher.ts'
import type { RateLimits } from '../adapters/rate-limits.ts'
import type { Sessions } from '../adapters/sessions.ts'
import type { UserRepository } from '../adapters/user-repository.ts'
import { checkCredentials } from './check-credentials.ts'
import { limited } from './limited.ts'
import { openSession } from './open-session.ts'

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
