import { normaliseEmail, Refusal } from '@cqrs/contracts'
import { type Audit, sourceOf } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import type { LoginBackOff } from '../adapters/login-back-off.ts'
import type { PasswordHasher } from '../adapters/password-hasher.ts'
import type { UserRepository } from '../adapters/user-repository.ts'
import type { User } from '../domain/user.ts'

/**
 * The user whose address and password these are. Every way to fail takes the same steps, so that neither text nor time
 * tells which it was; the audit log does.
 * @throws Refusal `invalid-credentials`
 */
export async function checkCredentials(
  credentials: { email: string; password: string },
  request: FastifyRequest,
  { users, passwords, backOff, audit }: Parts,
): Promise<User> {
  const email = normaliseEmail(credentials.email)
  const source = sourceOf(request)
  const [user, isWaiting] = await Promise.all([users.findByEmail(email), backOff.isWaiting(email, source)])
  const matches = await passwords.verify(isWaiting ? undefined : user?.passwordHash, credentials.password)
  // Asked again: of many guesses at once, those that come after the first failures are not let through either.
  const reason = matches && (await backOff.isWaiting(email, source)) ? 'backed-off' : why(user, { isWaiting, matches })
  const entry = { action: 'log-in', user_id: user?.id }
  if (!user || reason) {
    await backOff.failed(email, source, { wasLookedAt: !isWaiting })
    audit({ ...entry, outcome: 'failure', reason }, request)
    throw new Refusal('invalid-credentials')
  }
  await backOff.succeeded(email, source)
  audit({ ...entry, outcome: 'success' }, request)
  return user
}

function why(user: User | undefined, { isWaiting, matches }: { isWaiting: boolean; matches: boolean }) {
  if (isWaiting) return 'backed-off'
  if (!user) return 'unknown-address'
  if (!matches) return 'wrong-password'
  return user.isActive ? undefined : 'deactivated'
}

type Parts = { users: UserRepository; passwords: PasswordHasher; backOff: LoginBackOff; audit: Audit }
