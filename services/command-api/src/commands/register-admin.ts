import { randomUUIDv7 } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Refusal } from '@cqrs/contracts'
import { type Audit, type Logger, maskEmail } from '@cqrs/service-kit'
import type { Config } from '../config.ts'
import { registerAdmin as decide, type User } from '../domain/user.ts'
import type { Relay } from '../publishing/relay.ts'
import type { PasswordHasher } from '../sign-in/password-hasher.ts'
import type { UserRepository } from '../store/user-repository.ts'

/** Registers an admin. @throws Refusal `email-taken`, `password-too-common` */
export async function registerAdmin(
  input: { email: string; password: string; name: string },
  { users, passwords, relay, audit }: { users: UserRepository; passwords: PasswordHasher; relay?: Relay; audit: Audit },
): Promise<User> {
  const context = { now: new Date(), eventId: randomUUIDv7() }
  const change = decide(randomUUIDv7(), input, await passwords.hash(input.password, input), context)
  await users.insert(change)
  audit({ action: 'create-admin', outcome: 'success', user_id: change.state.id, roles: change.state.roles })
  relay?.publish(change.event)
  return change.state
}

/** The first admin, where the environment names one. Tries again while the database is away. */
export async function registerAdminAtStart(
  { ADMIN_EMAIL: email, ADMIN_PASSWORD: password }: Config,
  parts: { users: UserRepository; passwords: PasswordHasher; relay: Relay; audit: Audit; logger: Logger },
): Promise<void> {
  if (!email || !password) return
  for (;;) {
    try {
      const { id } = await registerAdmin({ email, password, name: 'Admin' }, parts)
      return parts.logger.info({ user_id: id, email: maskEmail(email) }, 'admin created')
    } catch (error) {
      if (error instanceof Refusal && error.code === 'password-too-common')
        return parts.logger.error({ reason: error.detail }, 'admin not created: ADMIN_PASSWORD will not do')
      if (error instanceof Refusal && error.code === 'email-taken')
        return parts.logger.info({ email: maskEmail(email) }, 'the admin exists')
      parts.logger.warn({ err: error }, 'admin not created yet')
      await delay(2_000, undefined, { ref: false })
    }
  }
}
