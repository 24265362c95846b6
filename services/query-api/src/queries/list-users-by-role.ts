import { Page, Role, routes, UserPage } from '@cqrs/contracts'
import type { Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import type { UserReadRepository } from '../adapters/user-read-repository.ts'

/** GET /api/v1/users/by-role/:role?limit&offset: a page of the users with this role, newest first. */
export function listUsersByRole(
  app: HttpServer,
  { users, authenticate }: { users: UserReadRepository; authenticate: Authenticate },
): void {
  app.get(
    routes.listUsersByRole.path,
    {
      onRequest: authenticate,
      schema: { params: Type.Object({ role: Role }), querystring: Page, response: { 200: UserPage } },
    },
    async (request, reply) => {
      const { limit, offset } = request.query
      const { data, total } = await users.listByRole(request.params.role, { limit, offset })
      return reply.header('cache-control', 'no-store').send({ data, pagination: { limit, offset, total } })
    },
  )
}
