import { routes, UserList, UserPage } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import type { Dependencies } from './dependencies.ts'
import { namePage, newestPage, pageText, refuseOffset, type Slice, searchPage, sendPage } from './pages.ts'
import { refuseParameter } from './refuse-parameter.ts'

/**
 * GET /api/v1/users: a page of users, newest first or by name, all or those that fit the filters, or those found by what
 * their name or address begins with.
 */
export function listUsers(app: HttpServer, { users, search, stats, authenticate, listing }: Dependencies): void {
  app.get(
    routes.listUsers.path,
    {
      config: { summary: 'List users', headers: ['Cache-Control'], problems: ['overloaded', 'storage-unavailable'] },
      onRequest: authenticate,
      schema: { querystring: UserList, response: { 200: UserPage } },
    },
    async (request, reply) => {
      const { query } = request
      refuseMixtures(query)
      const page = await listing(request.url, async () => {
        const [slice, total] = await Promise.all([pageOf(query, { users, search }), totalOf(query, stats)])
        return pageText(query, slice, total)
      })
      return sendPage(reply, page)
    },
  )
}

/** What no index serves is refused, so that no query costs more than its page. */
function refuseMixtures(query: UserList): void {
  refuseOffset(query)
  const only = (name: keyof UserList, detail: string) => {
    if (query[name] !== undefined) throw refuseParameter(name, detail)
  }
  if (query.q !== undefined) {
    only('sort', 'must not be there together with q, which has an order of its own')
    only('offset', 'must not be there together with q; go on by pagination.nextCursor')
  }
  if (query.q !== undefined || query.sort === 'name') {
    only('createdAfter', 'can be there only with the newest first, without q')
    only('createdBefore', 'can be there only with the newest first, without q')
  }
}

async function pageOf(query: UserList, { users, search }: Pick<Dependencies, 'users' | 'search'>): Promise<Slice> {
  const { q, sort, isActive } = query
  if (q !== undefined) return searchPage({ ...query, q }, search)
  if (sort === 'name') return namePage(query, search)
  const [createdAfter, createdBefore] = [time('createdAfter', query), time('createdBefore', query)]
  return newestPage(query, (page) => users.list({ ...page, isActive, createdAfter, createdBefore }))
}

/** Of what would have to be counted there is no total: that would cost as much as reading all of it. */
async function totalOf(query: UserList, stats: Dependencies['stats']): Promise<number | null> {
  if (query.q !== undefined || query.createdAfter !== undefined || query.createdBefore !== undefined) return null
  const { users, active } = await stats.totals()
  if (query.isActive === undefined) return users
  return query.isActive ? active : users - active
}

function time(name: 'createdAfter' | 'createdBefore', query: UserList): Date | undefined {
  const text = query[name]
  if (text === undefined) return undefined
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw refuseParameter(name, 'must be a day that exists')
  return date
}
