import { randomUUIDv7 } from 'node:crypto'
import { RegisterUser, routes, UserAnswer } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import type { PasswordHasher } from '../adapters/password-hasher.ts'
import type { RateLimits } from '../adapters/rate-limits.ts'
import type { Relay } from '../adapters/relay.ts'
import type { UserRepository } from '../adapters/user-repository.ts'
import { refuseGranting, register } from '../domain/user.ts'
import { answerOf, etagOf } from './answers.ts'
import { contextOf } from './context.ts'
import { limited } from './limited.ts'

/** POST /api/v1/auth/register: 201 with the user, whose read model follows. */
export function registerUser(
  app: HttpServer,
  {
    users,
    relay,
    passwords,
    limits,
  }: { users: UserRepository; relay: Relay; passwords: PasswordHasher; limits: RateLimits },
): void {
  app.post(
    routes.registerUser.path,
    {
      config: {
        summary: 'Register a user',
        headers: ['Location', 'ETag'],
        problems: ['role-not-allowed', 'password-too-common', 'email-taken', 'storage-unavailable'],
      },
      onRequest: limited('register', { limits }),
      schema: { body: RegisterUser, response: { 201: UserAnswer } },
    },
    async (request, reply) => {
      refuseGranting(request.body.roles) // before the hash, which is the expensive part
      const passwordHash = await passwords.hash(request.body.password, request.body)
      const change = register(randomUUIDv7(), request.body, passwordHash, contextOf(request))
      await users.insert(change)
      relay.publish(change.event)
      return reply
        .status(201)
        .headers({ location: `/api/v1/users/${change.state.id}`, etag: etagOf(change.state) })
        .send(answerOf(change.state))
    },
  )
}
