import { Page, Role, routes, UserPage } from '@cqrs/contracts'
import type { Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import type { UserReadRepository } from '../adapters/user-read-repository.ts'
import type { UserStatsRepository } from '../adapters/user-stats-repository.ts'

/**
 * GET /api/v1/users/by-role/:role?limit&offset: a page of the users with this role, newest first. `total` can be ahead of
 * the page or behind it, as that of all users.
 */
export function listUsersByRole(
  app: HttpServer,
  { users, stats, authenticate }: { users: UserReadRepository; stats: UserStatsRepository; authenticate: Authenticate },
): void {
  app.get(
    routes.listUsersByRole.path,
    {
      config: { summary: 'List users by role', headers: ['Cache-Control'], problems: ['storage-unavailable'] },
      onRequest: authenticate,
      schema: { params: Type.Object({ role: Role }), querystring: Page, response: { 200: UserPage } },
    },
    async (request, reply) => {
      const { role } = request.params
      const { limit, offset } = request.query
      const [data, { byRole }] = await Promise.all([users.listByRole(role, { limit, offset }), stats.totals()])
      const pagination = { limit, offset, total: byRole[role] }
      return reply.header('cache-control', 'no-store').send({ data, pagination })
    },
  )
}
