import { Refusal } from '@cqrs/contracts'
import type { User } from '../domain/user.ts'
import type { UserRepository } from '../store/user-repository.ts'

/**
 * Call it before a change after which the user is no active admin: without any, nobody could make one. Two admins who
 * leave at the same moment are not prevented; `npm run admin:create` makes another.
 * @throws Refusal `last-admin`
 */
export async function keepAnAdmin(user: User, { users }: { users: UserRepository }): Promise<void> {
  if (!user.isActive || !user.roles.includes('admin')) return
  if (!(await users.hasOtherAdmin(user.id))) throw new Refusal('last-admin')
}
