import { normaliseEmail, Refusal } from '@cqrs/contracts'
import { type Audit, sourceOf } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import type { User } from '../domain/user.ts'
import type { UserRepository } from '../store/user-repository.ts'
import type { LoginBackOff } from './login-back-off.ts'
import type { PasswordHasher } from './password-hasher.ts'

/** The user whose address and password these are. @throws Refusal `invalid-credentials` */
export async function checkCredentials(
  { email: given, password }: { email: string; password: string },
  request: FastifyRequest,
  parts: PasswordGuards & { users: UserRepository },
): Promise<User> {
  const email = normaliseEmail(given)
  const user = await parts.users.findByEmail(email)
  const isRight = await isPassword({ user, email, password, action: 'log-in' }, request, parts)
  if (!user || !isRight) throw new Refusal('invalid-credentials')
  await rehash(user, password, request, parts)
  return user
}

/**
 * Whether the password is the user's. Every no takes the same steps, so that no time tells which it was; the audit log
 * does. Failures are counted, and while the account has to wait the right password is a wrong one.
 */
export async function isPassword(
  { user, email, password, action }: { user: User | undefined; email: string; password: string; action: string },
  request: FastifyRequest,
  { passwords, backOff, audit }: PasswordGuards,
): Promise<boolean> {
  const source = sourceOf(request)
  const isWaiting = await backOff.isWaiting(email, source)
  const matches = await passwords.verify(isWaiting ? undefined : user?.passwordHash, password)
  const wrong = why(user, { isWaiting, matches })
  // Asked again: of many guesses at once, those that come after the first failures are not let through either.
  const reason = !wrong && !(await backOff.succeeded(email, source)) ? 'backed-off' : wrong
  if (reason) await backOff.failed(email, source, { wasChecked: !isWaiting })
  audit({ action, outcome: reason ? 'failure' : 'success', reason, user_id: user?.id }, request)
  return !reason
}

function why(user: User | undefined, { isWaiting, matches }: { isWaiting: boolean; matches: boolean }) {
  if (isWaiting) return 'backed-off'
  if (!user) return 'unknown-address'
  if (!matches) return 'wrong-password'
  return user.isActive ? undefined : 'deactivated'
}

/** Only here the password is there to be hashed with parameters that rose. If it does not work out, the next login does it. */
async function rehash(
  user: User,
  password: string,
  { log }: FastifyRequest,
  { users, passwords }: { users: UserRepository; passwords: PasswordHasher },
): Promise<void> {
  try {
    const hash = await passwords.rehash(user.passwordHash, password)
    if (hash) await users.replaceHash(user.id, { from: user.passwordHash, to: hash })
  } catch (err) {
    log.warn({ err, user_id: user.id }, 'password not hashed anew')
  }
}

type PasswordGuards = { passwords: PasswordHasher; backOff: LoginBackOff; audit: Audit }
