import type { UserAnswer } from '@cqrs/contracts'
import { publicState, type User } from '../domain/user.ts'

/** A user as commands answer it. */
export const answerOf = (user: User): UserAnswer => ({ ...publicState(user), version: user.version })

/** The entity tag of a user is its version (RFC 9110, 8.8.3). */
export const etagOf = ({ version }: { version: number }): string => `"${version}"`
