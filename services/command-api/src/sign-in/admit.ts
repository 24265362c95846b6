import { Refusal } from '@cqrs/contracts'
import type { Caller } from '@cqrs/service-kit'
import type { UserRepository } from '../store/user-repository.ts'

/**
 * Who the caller of a good token is by now, as its document says: what was revoked since the token was made counts at
 * once, and so do roles that it has lost or gained.
 * @throws Refusal `token-revoked`, also where the caller is deleted or deactivated
 */
export async function admit(caller: Caller, { users }: { users: UserRepository }): Promise<Caller> {
  const user = await users.findById(caller.id)
  if (!user?.isActive || caller.version < user.tokensFromVersion) throw new Refusal('token-revoked')
  return { ...caller, roles: user.roles }
}
