import { Refusal } from '@cqrs/contracts'
import type { User } from '../domain/user.ts'
import type { UserRepository } from './user-repository.ts'

/**
 * Loads the user and tries the change on it; again on a fresh copy while somebody else changes it in between.
 * @param tryChange decides and saves; undefined says that the version had moved on
 * @throws Refusal `user-not-found`; `version-conflict` after 5 tries
 */
export async function loadDecideSave<Result>(
  users: UserRepository,
  id: string,
  tryChange: (user: User) => Promise<Result | undefined>,
): Promise<Result> {
  for (let attempt = 1; attempt <= 5; attempt++) {
    const user = await users.findById(id)
    if (!user) throw new Refusal('user-not-found')
    const result = await tryChange(user)
    if (result !== undefined) return result
  }
  throw new Refusal('version-conflict')
}
