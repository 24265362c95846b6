import { Refusal } from '@cqrs/contracts'
import type { Caller } from '@cqrs/service-kit'
import type { UserRepository } from '../store/user-repository.ts'

/**
 * Checks the caller of a valid token against its document, so that a revocation and a change of roles take effect at
 * once.
 * @returns the caller with its current roles
 * @throws Refusal `token-revoked`, also if the caller is deleted or deactivated
 */
export async function admit(caller: Caller, { users }: { users: UserRepository }): Promise<Caller> {
  const user = await users.findById(caller.id)
  if (!user?.isActive || caller.version < user.tokensFromVersion) throw new Refusal('token-revoked')
  return { ...caller, roles: user.roles }
}
