import { Page, routes, UserPage } from '@cqrs/contracts'
import type { Authenticate, HttpServer } from '@cqrs/service-kit'
import type { UserReadRepository } from '../adapters/user-read-repository.ts'
import type { UserStatsRepository } from '../adapters/user-stats-repository.ts'

/**
 * GET /api/v1/users?limit&offset: a page of all users, newest first. `total` is not counted but read from the sums of
 * another read model, so it can be ahead of the page or behind it by the events that are in flight.
 */
export function listUsers(
  app: HttpServer,
  { users, stats, authenticate }: { users: UserReadRepository; stats: UserStatsRepository; authenticate: Authenticate },
): void {
  app.get(
    routes.listUsers.path,
    {
      config: { summary: 'List users', headers: ['Cache-Control'], problems: ['storage-unavailable'] },
      onRequest: authenticate,
      schema: { querystring: Page, response: { 200: UserPage } },
    },
    async (request, reply) => {
      const { limit, offset } = request.query
      const [data, { users: total }] = await Promise.all([users.list({ limit, offset }), stats.totals()])
      return reply.header('cache-control', 'no-store').send({ data, pagination: { limit, offset, total } })
    },
  )
}
