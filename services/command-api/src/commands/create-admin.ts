import { randomUUIDv7 } from 'node:crypto'
import { normaliseEmail, Refusal } from '@cqrs/contracts'
import { type Logger, maskEmail, pause } from '@cqrs/service-kit'
import type { Config } from '../config.ts'
import { register, type User } from '../domain/user.ts'
import type { FirstAdmin } from '../store/write-database.ts'
import type { Dependencies } from './dependencies.ts'

/**
 * Creates an admin, for the operator: no request reaches this.
 * @param dependencies without `relay` the event waits in the outbox for the sweep of a running command-api
 * @throws Refusal `email-taken`, `password-too-common`, `storage-unavailable`
 */
export async function createAdmin(
  input: { email: string; password: string; name: string },
  {
    users,
    passwords,
    relay,
    audit,
  }: Pick<Dependencies, 'users' | 'passwords' | 'audit'> & Partial<Pick<Dependencies, 'relay'>>,
): Promise<User> {
  const context = { now: new Date(), eventId: randomUUIDv7() }
  const passwordHash = await passwords.hash(input.password, input)
  const change = register(randomUUIDv7(), { ...input, roles: ['admin'] }, passwordHash, context)
  await users.insert(change)
  audit({ action: 'create-admin', outcome: 'success', user_id: change.state.id, roles: change.state.roles })
  relay?.publish(users.written(change.event))
  return change.state
}

/**
 * Creates the admin that the settings name, once in the life of a database: an admin that was deleted does not come
 * back. Retries while the database is unavailable.
 */
export async function createFirstAdmin(
  { ADMIN_EMAIL: email, ADMIN_PASSWORD: password }: Config,
  { firstAdmin, logger, ...dependencies }: FirstAdminParts,
  until: AbortSignal,
): Promise<void> {
  if (!email || !password) return
  while (!until.aborted) {
    try {
      if (await firstAdmin.wasCreated()) return
      const taken = await dependencies.users.findByEmail(normaliseEmail(email))
      if (taken && !taken.roles.includes('admin'))
        return logger.error(
          { user_id: taken.id, email: maskEmail(email) },
          'admin not created: ADMIN_EMAIL is the address of a user who is no admin; use `npm run admin:create`',
        )
      const admin = taken ?? (await createAdmin({ email, password, name: 'Admin' }, dependencies))
      await firstAdmin.noteCreated()
      return logger.info({ user_id: admin.id, email: maskEmail(email) }, 'admin created')
    } catch (error) {
      if (error instanceof Refusal && error.code === 'password-too-common')
        return logger.error({ reason: error.detail }, 'admin not created: ADMIN_PASSWORD is too weak')
      logger.warn({ err: error }, 'admin not created yet; retrying')
      await pause(2_000, until)
    }
  }
}

type FirstAdminParts = Pick<Dependencies, 'users' | 'passwords' | 'relay' | 'audit'> & {
  firstAdmin: FirstAdmin
  logger: Logger
}
