import type { UserAnswer } from '@cqrs/contracts'
import { publicState, type User } from '../domain/user.ts'

/** The user as commands return it. */
export const answerOf = (user: User): UserAnswer => ({ ...publicState(user), version: user.version })

/** The entity tag of a user is its version (RFC 9110, 8.8.3). */
export const etagOf = ({ version }: { version: number }): string => `"${version}"`
