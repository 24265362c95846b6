import { maxOffset, type Page, UserPage, type UserReadModel } from '@cqrs/contracts'
import fastJson from 'fast-json-stringify'
import type { FastifyReply } from 'fastify'
import type { inTurn } from '../read-store/batches.ts'
import type { NewestPage } from '../read-store/user-read-repository.ts'
import type { Position, UserSearchRepository } from '../read-store/user-search-repository.ts'
import { type Cursor, cursorText, readCursor } from './cursor.ts'
import { refuseParameter } from './refuse-parameter.ts'

/** The users of a page, and where the next one goes on; null where there is none. */
export type Slice = { data: UserReadModel[]; nextCursor: string | null }

/**
 * Reads pages in turn. What has one URL and waits at the same time is read once, whoever asks: a page is the same for every
 * caller. If it ever depends on who asks, so must the key.
 */
export type Listing = ReturnType<typeof inTurn<string>>

/** A page of users, newest first. @param list reads that many of them, from there on */
export async function newestPage(
  { limit, offset, cursor }: Page,
  list: (page: NewestPage) => Promise<UserReadModel[]>,
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
 * A page of what is found: first those whose name begins so, in order of name, then those of whom only the address does,
 * in its order. For each page so many addresses are read and no more, whether those who were found by name are among
 * them or not: so a page can be short, and not be the last.
 */
export async function searchPage(
  { q: prefix, limit, cursor, isActive }: Page & { q: string; isActive?: boolean | undefined },
  users: UserSearchRepository,
): Promise<Slice> {
  const at = cursor === undefined ? undefined : readCursor(cursor, ['name', 'email'])
  const found: UserReadModel[] = []
  if (at?.[0] !== 'email') {
    const named = await users.byName({ prefix, isActive, limit: limit + 1, after: at && positionOf(at) })
    if (named.length > limit) return cut(named, limit, byName)
    found.push(...named)
  }
  const read = 2 * limit + 1
  const after = at?.[0] === 'email' ? positionOf(at) : undefined
  const addressed = await users.byEmail({ prefix, isActive, limit: read, after })
  let last: Cursor = ['email', prefix, '']
  for (const { user, byName } of addressed) {
    if (found.length === limit) return { data: found, nextCursor: cursorText(last) }
    if (!byName) found.push(user)
    last = ['email', user.email, user.id]
  }
  return { data: found, nextCursor: addressed.length === read ? cursorText(last) : null }
}

/**
 * The answer, written once for all who asked for it at the same time. `total` is read from sums, so it can be ahead of the page or behind it by the events that are in flight; null where
 * nobody keeps the sum.
 */
export const pageText = ({ limit, offset, cursor }: Page, slice: Slice, total: number | null): string =>
  stringify({
    data: slice.data,
    pagination: { limit, offset: cursor === undefined ? (offset ?? 0) : null, total, nextCursor: slice.nextCursor },
  })

export const sendPage = (reply: FastifyReply, page: string): FastifyReply =>
  reply.header('content-type', 'application/json; charset=utf-8').send(page)

/** @throws Refusal `validation-failed` where the page is asked for in two ways, or lies too deep for one of them */
export function refuseOffset({ offset, cursor }: Page): void {
  if (offset === undefined) return
  if (cursor !== undefined) throw refuseParameter('offset', 'must not be there together with cursor')
  if (offset > maxOffset) {
    throw refuseParameter('offset', `must be <= ${maxOffset}; beyond that, go on by pagination.nextCursor`)
  }
}

/** Of one user more than the page takes only this is wanted: that it exists. */
function cut(users: UserReadModel[], limit: number, cursorAt: (last: UserReadModel) => Cursor): Slice {
  const data = users.slice(0, limit)
  const last = data.at(-1)
  return { data, nextCursor: last && users.length > limit ? cursorText(cursorAt(last)) : null }
}

/** Compiled from the schema of the answer: what that does not name is not written. */
const stringify = fastJson(UserPage)

const byName = ({ name, id }: UserReadModel): Cursor => ['name', name, id]

const positionOf = ([, key, id]: ['name' | 'email', string, string]): Position => ({ key, id })
