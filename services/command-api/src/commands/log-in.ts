import { AccessToken, LogIn, normaliseEmail, Refusal, routes } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import type { AccessTokenSigner } from '../adapters/access-token-signer.ts'
import type { PasswordHasher } from '../adapters/password-hasher.ts'
import type { UserRepository } from '../adapters/user-repository.ts'

/** POST /api/v1/auth/login: 200 with an access token. Why it is refused is not told, neither by text nor by time. */
export function logIn(
  app: HttpServer,
  { users, passwords, tokens }: { users: UserRepository; passwords: PasswordHasher; tokens: AccessTokenSigner },
): void {
  app.post(
    routes.logIn.path,
    {
      config: {
        summary: 'Log in',
        headers: ['Cache-Control'],
        problems: ['invalid-credentials', 'storage-unavailable'],
      },
      schema: { body: LogIn, response: { 200: AccessToken } },
    },
    async (request, reply) => {
      const user = await users.findByEmail(normaliseEmail(request.body.email))
      const matches = await passwords.verify(user?.passwordHash, request.body.password)
      if (!user?.isActive || !matches) throw new Refusal('invalid-credentials')
      return reply.header('cache-control', 'no-store').send(tokens.sign(user))
    },
  )
}
