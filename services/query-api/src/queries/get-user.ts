import { Refusal, routes, UserId, UserReadModel } from '@cqrs/contracts'
import type { Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import type { UserReadRepository } from '../adapters/user-read-repository.ts'

/** GET /api/v1/users/:id: the user, and its version as `ETag`. */
export function getUser(
  app: HttpServer,
  { users, authenticate }: { users: UserReadRepository; authenticate: Authenticate },
): void {
  app.get(
    routes.getUser.path,
    {
      onRequest: authenticate,
      schema: {
        params: Type.Object({ id: UserId }),
        querystring: Type.Object({}, { additionalProperties: false }),
        response: { 200: UserReadModel },
      },
    },
    async (request, reply) => {
      const user = await users.findById(request.params.id)
      if (!user) throw new Refusal('user-not-found')
      return reply.headers({ etag: `"${user.version}"`, 'cache-control': 'no-store' }).send(user)
    },
  )
}
