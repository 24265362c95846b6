import { Page, routes, UserPage } from '@cqrs/contracts'
import type { Authenticate, HttpServer } from '@cqrs/service-kit'
import type { UserReadRepository } from '../adapters/user-read-repository.ts'

/** GET /api/v1/users?limit&offset: a page of all users, newest first. */
export function listUsers(
  app: HttpServer,
  { users, authenticate }: { users: UserReadRepository; authenticate: Authenticate },
): void {
  app.get(
    routes.listUsers.path,
    { onRequest: authenticate, schema: { querystring: Page, response: { 200: UserPage } } },
    async (request, reply) => {
      const { limit, offset } = request.query
      const { data, total } = await users.list({ limit, offset })
      return reply.header('cache-control', 'no-store').send({ data, pagination: { limit, offset, total } })
    },
  )
}
