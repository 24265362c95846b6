import { type UserReadDocument, UserReadModel } from '@cqrs/contracts'
import { Counter, type Logger } from '@cqrs/service-kit'
import { LRUCache } from 'lru-cache'
import { Compile } from 'typebox/compile'

/** The fields that queries return. */
export type Shown = Omit<UserReadDocument, 'tokensFromVersion' | 'tokensRevokedAt' | 'revokedAt'>

/** A user of a list: by what lists are ordered, and `user`, undefined if the document is unreadable. */
export type Listed = Pick<Shown, 'name' | 'email'> & { id: string; user: UserReadModel | undefined }

/**
 * Converts a document to what queries return; undefined if a field is missing or has another type, so that one document
 * never fails the answers about others. The comparison with the write side repairs it.
 */
export function toReadModel({ _id, createdAt, updatedAt, ...rest }: Shown, logger?: Logger): UserReadModel | undefined {
  const user = { id: _id, ...rest, createdAt: timeOf(createdAt), updatedAt: timeOf(updatedAt) }
  if (form.Check(user)) return user
  unreadable.inc()
  if (!reported.has(_id)) {
    reported.set(_id, true)
    const fields = form.Errors(user).map(({ instancePath, message }) => `${instancePath || '/'} ${message}`)
    logger?.error({ user_id: _id, fields }, 'unreadable document in users_read')
  }
  return undefined
}

export const toListed = (stored: Shown, logger?: Logger): Listed => ({
  id: stored._id,
  name: stored.name,
  email: stored.email,
  user: toReadModel(stored, logger),
})

const form = Compile(UserReadModel)

/** Anything but a valid date is left for the check. */
const timeOf = (time: Date): string =>
  time instanceof Date && !Number.isNaN(time.getTime()) ? time.toISOString() : String(time)

const reported = new LRUCache<string, true>({ max: 1_000 })

const unreadable = new Counter({
  name: 'query_unreadable_users_total',
  help: 'Documents of users_read that were read and could not be returned: a field is missing or has another type',
})
