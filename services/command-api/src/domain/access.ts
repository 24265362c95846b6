import { Refusal } from '@cqrs/contracts'
import { type Caller, type Change, type Context, changeTo, type User } from './user.ts'

/**
 * Another password, which ends every session: whoever knew the old one is out.
 * @throws Refusal `not-allowed` for anyone but the user itself
 */
export function changePassword(user: User, passwordHash: string, context: Context): Change {
  refuseUnlessSelf(user.id, context.caller)
  return withoutSessions({ ...user, passwordHash }, ['password'], context)
}

/** No way in any more, until it is activated again; undefined where it is inactive already. @throws Refusal `not-allowed` */
export function deactivate(user: User, context: Context): Change | undefined {
  refuseUnlessAdmin(context.caller)
  return user.isActive ? withoutSessions({ ...user, isActive: false }, ['isActive'], context) : undefined
}

/** The way in is open again; sessions from before stay ended. @throws Refusal `not-allowed` */
export function activate(user: User, context: Context): Change | undefined {
  refuseUnlessAdmin(context.caller)
  return user.isActive ? undefined : changeTo({ ...user, isActive: true }, ['isActive'], context)
}

/** The user logs out everywhere. @throws Refusal `not-allowed` for anyone but the user itself */
export function endSessions(user: User, context: Context): Change {
  refuseUnlessSelf(user.id, context.caller)
  return withoutSessions(user, ['sessions'], context)
}

/** @throws Refusal `not-allowed` */
export function refuseUnlessSelf(id: string, caller: Caller | undefined): void {
  if (caller?.id !== id) throw new Refusal('not-allowed')
}

/** @throws Refusal `not-allowed` */
export function refuseUnlessAdmin(caller: Caller | undefined): void {
  if (!caller?.roles.includes('admin')) throw new Refusal('not-allowed')
}

/**
 * The change, and with it every token from before is dead. That is said by versions and not by times: the clocks of two
 * processes differ by more than the moment between a revocation and the next login.
 */
function withoutSessions(user: User, changed: string[], context: Context): Change {
  return changeTo({ ...user, tokensFromVersion: user.version + 1, tokensRevokedAt: context.now }, changed, context)
}
