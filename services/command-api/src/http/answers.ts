import { consistencyToken, consistencyTokenHeader, type UserAnswer } from '@cqrs/contracts'
import { publicState, type User } from '../domain/user.ts'

/** The user as commands return it. */
export const answerOf = (user: User): UserAnswer => ({ ...publicState(user), version: user.version })

/** The entity tag of a user is its version (RFC 9110, 8.8.3). */
export const etagOf = ({ version }: { version: number }): string => `"${version}"`

/** The header that makes queries show this version of the user, or a later one. */
export const tokenOf = ({ id, version }: { id: string; version: number }) => ({
  [consistencyTokenHeader]: consistencyToken({ users: [[id, version]] }),
})

/** The headers of the answer to a change of a user. */
export const headersOf = (user: { id: string; version: number }) => ({ etag: etagOf(user), ...tokenOf(user) })
