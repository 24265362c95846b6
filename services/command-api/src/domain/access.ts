import { type Change, type Context, changeTo, type User } from './user.ts'

/** It also ends every session, so that somebody who knew the old password is logged out. */
export function replacePassword(user: User, passwordHash: string, context: Context): Change {
  return withoutSessions({ ...user, passwordHash }, ['password'], context)
}

/** Ends every session and refuses logins until the user is activated again; undefined if it is inactive already. */
export function deactivate(user: User, context: Context): Change | undefined {
  return user.isActive ? withoutSessions({ ...user, isActive: false }, ['isActive'], context) : undefined
}

/** Allows logins again; ended sessions stay ended. Undefined if the user is active already. */
export function activate(user: User, context: Context): Change | undefined {
  return user.isActive ? undefined : changeTo({ ...user, isActive: true }, ['isActive'], context)
}

/** Logs the user out everywhere. */
export function endSessions(user: User, context: Context): Change {
  return withoutSessions(user, ['sessions'], context)
}

/**
 * Revokes every access token of an earlier version. Versions decide and not times: the clocks of two processes differ
 * by more than the moment between a revocation and the next login.
 */
function withoutSessions(user: User, changed: string[], context: Context): Change {
  return changeTo({ ...user, tokensFromVersion: user.version + 1, tokensRevokedAt: context.now }, changed, context)
}
