import { Page, Role, routes, UserPage } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { FreshnessHeaders, freshAnswer, seenOf } from '../freshness/seen.ts'
import { userStats } from '../read-store/user-stats.ts'
import type { Dependencies } from './dependencies.ts'
import { newestPage, pageText, readModelsOfPages, refuseOffset, sendPage } from './pages.ts'

/** GET /api/v1/users/by-role/:role: a page of the users with this role, newest first. */
export function listUsersByRole(app: HttpServer, { users, fresh, authenticate, mayList }: Dependencies): void {
  app.get(
    routes.listUsersByRole.path,
    {
      config: { summary: 'List users by role', ...freshAnswer },
      onRequest: authenticate,
      preHandler: mayList,
      schema: {
        params: Type.Object({ role: Role }),
        querystring: Page,
        headers: FreshnessHeaders,
        response: { 200: UserPage },
      },
    },
    async (request, reply) => {
      const { role } = request.params
      refuseOffset(request.query)
      const needs = { seen: seenOf(request), readModels: readModelsOfPages }
      const page = await fresh.read(request, needs, async (moment) => {
        const [slice, { byRole }] = await Promise.all([
          newestPage(request.query, (page) => users.listByRole(role, page, moment)),
          userStats.totals(moment),
        ])
        return pageText(request.query, slice, byRole[role])
      })
      return sendPage(reply, page)
    },
  )
}
