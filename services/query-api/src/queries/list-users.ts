import { routes, UserList, UserPage } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import { FreshnessHeaders, freshAnswer, seenOf } from '../freshness/seen.ts'
import type { Moment } from '../read-store/read-database.ts'
import { userStats } from '../read-store/user-stats.ts'
import type { Dependencies } from './dependencies.ts'
import {
  namePage,
  newestPage,
  pageText,
  readModelsOfPages,
  refuseOffset,
  type Slice,
  searchPage,
  sendPage,
} from './pages.ts'
import { refuseParameter } from './refuse-parameter.ts'

/**
 * GET /api/v1/users: a page of users, newest first or by name, with filters or by a prefix of name or e-mail address.
 */
export function listUsers(app: HttpServer, { users, search, fresh, authenticate, mayList }: Dependencies): void {
  app.get(
    routes.listUsers.path,
    {
      config: { summary: 'List users', ...freshAnswer },
      onRequest: authenticate,
      preHandler: mayList,
      schema: { querystring: UserList, headers: FreshnessHeaders, response: { 200: UserPage } },
    },
    async (request, reply) => {
      const { query } = request
      refuseMixtures(query)
      const needs = { seen: seenOf(request), readModels: readModelsOfPages }
      const page = await fresh.read(request, needs, async (moment) => {
        const [slice, total] = await Promise.all([pageOf(query, { users, search }, moment), totalOf(query, moment)])
        return pageText(query, slice, total)
      })
      return sendPage(reply, page)
    },
  )
}

/** Refuses combinations that no index serves, so that no query costs more than its page. */
function refuseMixtures(query: UserList): void {
  refuseOffset(query)
  const only = (name: keyof UserList, detail: string) => {
    if (query[name] !== undefined) throw refuseParameter(name, detail)
  }
  if (query.q !== undefined) {
    only('sort', 'must not be combined with q, which has its own order')
    only('offset', 'must not be combined with q; use pagination.nextCursor')
  }
  if (query.q !== undefined || query.sort === 'name') {
    only('createdAfter', 'can be combined only with sort=newest, and not with q')
    only('createdBefore', 'can be combined only with sort=newest, and not with q')
  }
}

async function pageOf(
  query: UserList,
  { users, search }: Pick<Dependencies, 'users' | 'search'>,
  moment: Moment,
): Promise<Slice> {
  const { q, sort, isActive } = query
  if (q !== undefined) return searchPage({ ...query, q }, search, moment)
  if (sort === 'name') return namePage(query, search, moment)
  const [createdAfter, createdBefore] = [time('createdAfter', query), time('createdBefore', query)]
  return newestPage(query, (page) => users.list({ ...page, isActive, createdAfter, createdBefore }, moment))
}

/** Null where no sum is kept: counting would read every match. */
async function totalOf(query: UserList, moment: Moment): Promise<number | null> {
  if (query.q !== undefined || query.createdAfter !== undefined || query.createdBefore !== undefined) return null
  const { users, active } = await userStats.totals(moment)
  if (query.isActive === undefined) return users
  return query.isActive ? active : users - active
}

function time(name: 'createdAfter' | 'createdBefore', query: UserList): Date | undefined {
  const text = query[name]
  if (text === undefined) return undefined
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw refuseParameter(name, 'must be an existing date')
  return date
}
