import { maxOffset, type Page, UserPage, type UserReadModel } from '@cqrs/contracts'
import { callerOf, shares } from '@cqrs/service-kit'
import fastJson from 'fast-json-stringify'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { inTurn } from '../read-store/batches.ts'
import type { Listed } from '../read-store/to-read-model.ts'
import type { NewestPage } from '../read-store/user-read-repository.ts'
import type { Position, UserSearchRepository } from '../read-store/user-search-repository.ts'
import { type Cursor, cursorText, readCursor } from './cursor.ts'
import { refuseParameter } from './refuse-parameter.ts'

/** A page without its total; `nextCursor` is null on the last one. */
export type Slice = { data: UserReadModel[]; nextCursor: string | null }

export type Listing = ReturnType<typeof listing>

/**
 * Bounds the pages that are read at once, of one caller and of all: one that asks for many waits in a queue of its own.
 * Callers that wait with the same URL share one read, because a page is the same for every caller. If a page ever
 * depends on the caller, the key must as well.
 */
export function listing() {
  const read = inTurn<string>()
  const ofOne = shares({ running: 4, waiting: 46 })
  // The driver's pool has 100 connections: the others are left to look-ups by id and health checks.
  const ofAll = shares({ running: 32, waiting: 500, refusal: 'overloaded' })
  return (request: FastifyRequest, page: () => Promise<string>): Promise<string> =>
    read(request.url, page, (call) => ofOne(callerOf(request)?.id ?? '', () => ofAll('', call)))
}

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
): Promise<Slice> {
  const after = cursor === undefined ? undefined : positionOf(readCursor(cursor, ['name']))
  return cut(await users.byName({ limit: limit + 1, offset, after, isActive }), limit, byName)
}

/**
 * A page of a search: first users whose name has the prefix, in order of name, then users of whom only the e-mail
 * address has it, in that order. Each page reads a bounded number of addresses, and skips those already found by name.
 * A page can therefore be short without being the last.
 */
export async function searchPage(
  { q: prefix, limit, cursor, isActive }: Page & { q: string; isActive?: boolean | undefined },
  users: UserSearchRepository,
): Promise<Slice> {
  const at = cursor === undefined ? undefined : readCursor(cursor, ['name', 'email'])
  const found: Listed[] = []
  if (at?.[0] !== 'email') {
    const named = await users.byName({ prefix, isActive, limit: limit + 1, after: at && positionOf(at) })
    if (named.length > limit) return cut(named, limit, byName)
    found.push(...named)
  }
  const read = 2 * limit + 1
  const after = at?.[0] === 'email' ? positionOf(at) : undefined
  const addressed = await users.byEmail({ prefix, isActive, limit: read, after })
  let last: Cursor = ['email', prefix, '']
  for (const { byName, ...user } of addressed) {
    if (found.length === limit) return { data: readable(found), nextCursor: cursorText(last) }
    if (!byName) found.push(user)
    last = ['email', user.email, user.id]
  }
  return { data: readable(found), nextCursor: addressed.length === read ? cursorText(last) : null }
}

/**
 * The response body, serialised once for all callers that share it. `total` comes from sums, so it can be ahead of the
 * page or behind it by the events in flight. It is null where no sum is kept.
 */
export const pageText = ({ limit, offset, cursor }: Page, slice: Slice, total: number | null): string =>
  stringify({
    data: slice.data,
    pagination: { limit, offset: cursor === undefined ? (offset ?? 0) : null, total, nextCursor: slice.nextCursor },
  })

export const sendPage = (reply: FastifyReply, page: string): FastifyReply =>
  reply.header('content-type', 'application/json; charset=utf-8').send(page)

/** @throws Refusal `validation-failed` for an offset that is combined with a cursor or above `maxOffset` */
export function refuseOffset({ offset, cursor }: Page): void {
  if (offset === undefined) return
  if (cursor !== undefined) throw refuseParameter('offset', 'must not be combined with cursor')
  if (offset > maxOffset) {
    throw refuseParameter('offset', `must be <= ${maxOffset}; use pagination.nextCursor beyond that`)
  }
}

/** Cuts off the extra user that was read to see whether there is a next page. */
function cut(users: Listed[], limit: number, cursorAt: (last: Listed) => Cursor): Slice {
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
