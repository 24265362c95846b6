import { type LogIn, normaliseEmail, Refusal } from '@cqrs/contracts'
import { type Audit, sourceOf } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import type { User } from '../domain/user.ts'
import type { UserRepository } from '../store/user-repository.ts'
import type { KnownDevices } from './known-devices.ts'
import type { Attempt, LoginBackOff } from './login-back-off.ts'
import type { PasswordHasher } from './password-hasher.ts'

/**
 * The user with this e-mail address and password, and the id of the device, if it is known.
 * @throws Refusal `invalid-credentials`
 */
export async function checkCredentials(
  { email: given, password, deviceToken }: LogIn,
  request: FastifyRequest,
  parts: PasswordGuards & { users: UserRepository; devices: KnownDevices; audit: Audit },
): Promise<{ user: User; device: string | undefined }> {
  const email = normaliseEmail(given)
  const user = await parts.users.findByEmail(email)
  const device = await parts.devices.find(deviceToken, user)
  const reason = await refusalOf({ user, email, password, device }, request, parts)
  parts.audit({ action: 'log-in', outcome: reason ? 'failure' : 'success', reason, user_id: user?.id }, request)
  if (!user || reason) throw new Refusal('invalid-credentials')
  await rehash(user, password, request, parts)
  return { user, device }
}

/**
 * Why the password is not accepted as the user's; undefined if it is. Every failure takes the same steps, so that
 * timing does not reveal its reason, which is for the audit log. Failures are counted, and while the account waits the
 * right password is rejected as well.
 */
export async function refusalOf(
  { user, email, password, device }: { user: User | undefined; email: string; password: string; device?: Device },
  request: FastifyRequest,
  { passwords, backOff }: PasswordGuards,
): Promise<string | undefined> {
  const attempt = { email, source: sourceOf(request), device }
  const isWaiting = await backOff.isWaiting(attempt)
  const matches = await passwords.verify(isWaiting ? undefined : user?.passwordHash, password)
  const wrong = why(user, { isWaiting, matches })
  // Checked again: concurrent guesses that finish after the first failures are rejected as well.
  const reason = !wrong && !(await backOff.succeeded(attempt)) ? 'backed-off' : wrong
  if (reason) await backOff.failed(attempt, { wasChecked: !isWaiting })
  return reason
}

function why(user: User | undefined, { isWaiting, matches }: { isWaiting: boolean; matches: boolean }) {
  if (isWaiting) return 'backed-off'
  if (!user) return 'unknown-address'
  if (!matches) return 'wrong-password'
  return user.isActive ? undefined : 'deactivated'
}

/** Hashes the password with the current parameters, if they were raised. If that fails, the next login tries again. */
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
    log.warn({ err, user_id: user.id }, 'password not rehashed')
  }
}

type Device = Attempt['device']
type PasswordGuards = { passwords: PasswordHasher; backOff: LoginBackOff }
