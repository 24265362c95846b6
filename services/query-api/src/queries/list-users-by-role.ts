import { Page, Role, routes, UserPage } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import type { Dependencies } from './dependencies.ts'
import { newestPage, pageText, refuseOffset, sendPage } from './pages.ts'

/** GET /api/v1/users/by-role/:role: a page of the users with this role, newest first. */
export function listUsersByRole(app: HttpServer, { users, stats, authenticate, listing, mayList }: Dependencies): void {
  app.get(
    routes.listUsersByRole.path,
    {
      config: {
        summary: 'List users by role',
        headers: ['Cache-Control'],
        problems: ['rate-limited', 'overloaded', 'storage-unavailable'],
      },
      onRequest: authenticate,
      preHandler: mayList,
      schema: { params: Type.Object({ role: Role }), querystring: Page, response: { 200: UserPage } },
    },
    async (request, reply) => {
      const { role } = request.params
      refuseOffset(request.query)
      const page = await listing(request, async () => {
        const [slice, { byRole }] = await Promise.all([
          newestPage(request.query, (page) => users.listByRole(role, page)),
          stats.totals(),
        ])
        return pageText(request.query, slice, byRole[role])
      })
      return sendPage(reply, page)
    },
  )
}
