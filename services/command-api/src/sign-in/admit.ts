import { Refusal } from '@cqrs/contracts'
import type { Caller } from '@cqrs/service-kit'
import type { UserRepository } from '../store/user-repository.ts'
import type { RateLimits } from './rate-limits.ts'

/**
 * Checks the caller of a valid token against its document, so that a revocation and a change of roles take effect at
 * once. It counts the requests of the caller, and before the look-up those with its version: otherwise a revoked token
 * could use up the limit of its user, or load the database.
 * @returns the caller with its current roles
 * @throws Refusal `token-revoked`, also if the caller is deleted or deactivated, or `rate-limited`
 */
export async function admit(
  caller: Caller,
  { users, limits }: { users: UserRepository; limits: RateLimits },
): Promise<Caller> {
  await limits.consume('change', `${caller.id} ${caller.version}`)
  const user = await users.findById(caller.id)
  if (!user?.isActive || caller.version < user.tokensFromVersion) throw new Refusal('token-revoked')
  await limits.consume('change', caller.id)
  return { ...caller, roles: user.roles }
}
