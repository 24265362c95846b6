import { consistencyTokenHeader, maxOffset, type Page, UserPage, type UserReadModel } from '@cqrs/contracts'
import fastJson from 'fast-json-stringify'
import type { FastifyReply } from 'fastify'
import type { Fresh } from '../freshness/fresh-reads.ts'
import type { Moment } from '../read-store/read-database.ts'
import type { Listed } from '../read-store/to-read-model.ts'
import type { NewestPage } from '../read-store/user-read-repository.ts'
import type { Position, UserSearchRepository } from '../read-store/user-search-repository.ts'
import { type Cursor, cursorText, readCursor } from './cursor.ts'
import { refuseParameter } from './refuse-parameter.ts'

/** A page without its total; `nextCursor` is null on the last one. */
export type Slice = { data: UserReadModel[]; nextCursor: string | null }

/** A page of users, newest first. `list` reads them from the repository. */
export async function newestPage(
  { limit, offset, cursor }: Page,
  list: (page: NewestPage) => Promise<Listed[]>,
): Promise<Slice> {
  const after = cursor === undefined ? undefined : readCursor(cursor, ['newest'])[1]
  return cut(await list({ limit: limit + 1, offset, after }), limit, ({ id }) => ['newest', id])
}

/** A page of users in order of name. */
export async function namePage(
  { limit, offset, cursor, isActive }: Page & { isActive?: boolean | undefined },
  users: UserSearchRepository,
  moment: Moment,
): Promise<Slice> {
  const after = cursor === undefined ? undefined : positionOf(readCursor(cursor, ['name']))
  return cut(await users.byName({ limit: limit + 1, offset, after, isActive }, moment), limit, byName)
}

/**
 * A page of a search: first users whose name has the prefix, in order of name, then users of whom only the e-mail
 * address has it, in that order. Each page reads a bounded number of addresses, and skips those already found by name.
 * A page can therefore be short without being the last.
 */
export async function searchPage(
  { q: prefix, limit, cursor, isActive }: Page & { q: string; isActive?: boolean | undefined },
  users: UserSearchRepository,
  moment: Moment,
): Promise<Slice> {
  const at = cursor === undefined ? undefined : readCursor(cursor, ['name', 'email'])
  const found: Listed[] = []
  if (at?.[0] !== 'email') {
    const after = at && positionOf(at)
    const named = await users.byName({ prefix, isActive, limit: limit + 1, after }, moment)
    if (named.length > limit) return cut(named, limit, byName)
    found.push(...named)
  }
  const read = 2 * limit + 1
  const after = at?.[0] === 'email' ? positionOf(at) : undefined
  const addressed = await users.byEmail({ prefix, isActive, limit: read, after }, moment)
  let last: Cursor = ['email', prefix, '']
  for (const { byName, ...user } of addressed) {
    if (found.length === limit) return { data: readable(found), nextCursor: cursorText(last) }
    if (!byName) found.push(user)
    last = ['email', user.email, user.id]
  }
  return { data: readable(found), nextCursor: addressed.length === read ? cursorText(last) : null }
}

/** What a page is read from. */
export const readModelsOfPages = ['users_read', 'user_stats'] as const

/**
 * The response body, serialised once for all callers that share it. `total` comes from sums, which another read model
 * keeps: at the same moment it can be ahead of the page or behind it by the events in flight. It is null where no sum
 * is kept.
 */
export const pageText = ({ limit, offset, cursor }: Page, slice: Slice, total: number | null): string =>
  stringify({
    data: slice.data,
    pagination: { limit, offset: cursor === undefined ? (offset ?? 0) : null, total, nextCursor: slice.nextCursor },
  })

export const sendPage = (reply: FastifyReply, { result, token }: Fresh<string>): FastifyReply =>
  reply.header(consistencyTokenHeader, token).header('content-type', 'application/json; charset=utf-8').send(result)

/** @throws Refusal `validation-failed` for an offset that is combined with a cursor or above `maxOffset` */
export function refuseOffset({ offset, cursor }: Page): void {
  if (offset === undefined) return
  if (cursor !== undefined) throw refuseParameter('offset', 'must not be combined with cursor')
  if (offset > maxOffset) {
    throw refuseParameter('offset', `must be <= ${maxOffset}; use pagination.nextCursor beyond that`)
  }
}

/** Cuts off the extra user that was read to see whether there is a next page. */
export function cut<User extends Listed>(users: User[], limit: number, cursorAt: (last: User) => Cursor): Slice {
  const shown = users.slice(0, limit)
  const last = shown.at(-1)
  return { data: readable(shown), nextCursor: last && users.length > limit ? cursorText(cursorAt(last)) : null }
}

/** A list leaves out users whose document is unreadable. */
const readable = (users: Listed[]): UserReadModel[] => users.flatMap(({ user }) => user ?? [])

/** Compiled from the response schema: fields that it does not name are not written. */
const stringify = fastJson(UserPage)

const byName = ({ name, id }: Listed): Cursor => ['name', name, id]

const positionOf = ([, key, id]: ['name' | 'email', string, string]): Position => ({ key, id })
