import { DirectoryList, routes, UserPage, wordsOf } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'
import { FreshnessHeaders, freshAnswer, seenOf } from '../freshness/seen.ts'
import type { ChangedAt } from '../read-store/user-directory-repository.ts'
import { readCursor } from './cursor.ts'
import type { Dependencies } from './dependencies.ts'
import { cut, pageText, sendPage } from './pages.ts'
import { refuseParameter } from './refuse-parameter.ts'

/** GET /api/v1/directory/users: a page of users for administrators, the last change first. */
export function listDirectory(app: HttpServer, { directory, fresh, authenticate, onlyAdmins }: Dependencies): void {
  app.get(
    routes.listDirectory.path,
    {
      config: { summary: 'List users by their last change', ...freshAnswer },
      onRequest: authenticate,
      preHandler: onlyAdmins,
      schema: { querystring: DirectoryList, headers: FreshnessHeaders, response: { 200: UserPage } },
    },
    async (request, reply) => {
      const { limit, cursor, word, role } = request.query
      if (word !== undefined && role !== undefined) throw refuseParameter('role', 'must not be combined with word')
      if (word !== undefined && wordsOf(word, 2).length !== 1) throw refuseParameter('word', 'must be one word')
      const after = cursor === undefined ? undefined : positionOf(cursor)
      const needs = { seen: seenOf(request), readModels: ['user_directory'] as const }
      const page = await fresh.read(request, needs, async (moment) => {
        const found = await directory.byChange({ word, role, limit: limit + 1, after }, moment)
        const slice = cut(found, limit, ({ changedAt: { at, id } }) => ['changed', at, id])
        return pageText(request.query, slice, null)
      })
      return sendPage(reply, page)
    },
  )
}

const positionOf = (cursor: string): ChangedAt => {
  const [, at, id] = readCursor(cursor, ['changed'])
  return { at, id }
}
