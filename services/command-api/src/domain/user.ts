import {
  envelopeOf,
  eventOf,
  normaliseEmail,
  type Origin,
  type RegisterUser,
  type Role,
  type Snapshot,
  type TokenState,
  type UpdateUser,
  type UserEvent,
  type UserState,
} from '@cqrs/contracts'
import { type Caller, refuseGranting } from './permissions.ts'

export type User = Omit<UserState, 'createdAt' | 'updatedAt'> & {
  passwordHash: string
  version: number
  createdAt: Date
  updatedAt: Date
  /** Access tokens with a lower `ver` are revoked, and so are sessions that began at a lower version. */
  tokensFromVersion: number
  tokensRevokedAt?: Date
}

/** What remains of a deleted user. */
export type Tombstone = { id: string; version: number; deletedAt: Date }

/** A decision: the next state and its event. They are written together or not at all. */
export type Change<State = User> = { state: State; event: UserEvent }

/** What a decision needs besides state and input. */
export type Context = { caller?: Caller | undefined; now: Date; eventId: string } & Pick<
  Origin,
  'traceparent' | 'requestid'
>

/** A new user. Whether its roles may be chosen, `refuseGranting` decides before the password is hashed. */
export function register(
  id: string,
  input: Omit<RegisterUser, 'password'>,
  passwordHash: string,
  context: Context,
): Change {
  const state: User = {
    id,
    email: normaliseEmail(input.email),
    passwordHash,
    name: input.name,
    roles: input.roles,
    isActive: true,
    version: 1,
    createdAt: context.now,
    updatedAt: context.now,
    tokensFromVersion: 1,
  }
  return { state, event: { ...envelope(state, context), type: 'UserCreated', data: shown(state) } }
}

/** Replaces name and roles; undefined if nothing changes. @throws Refusal `role-not-allowed` */
export function update(user: User, input: UpdateUser, context: Context): Change | undefined {
  if (!user.roles.includes('admin')) refuseGranting(input.roles, user.id, context.caller)
  const changed = [
    ...(input.name === user.name ? [] : ['name']),
    ...(sameRoles(input.roles, user.roles) ? [] : ['roles']),
  ]
  if (changed.length === 0) return undefined
  return changeTo({ ...user, ...input }, changed, context)
}

export function remove(user: User, context: Context): Change<Tombstone> {
  const state: Tombstone = { id: user.id, version: user.version + 1, deletedAt: context.now }
  return {
    state,
    event: { ...envelope(state, context), type: 'UserDeleted', data: { deletedAt: context.now.toISOString() } },
  }
}

/**
 * Republishes a user's current state for a read side that has another version (0: none); undefined if it has the
 * latest. A user that the write side does not know never existed, or its tombstone has expired: it counts as deleted.
 */
export function restate(
  id: string,
  snapshot: Snapshot | undefined,
  readVersion: number,
  context: Context,
): UserEvent | undefined {
  if (snapshot && 'user' in snapshot)
    return snapshot.version > readVersion ? eventOf(snapshot, originOf(context)) : undefined
  const version = Math.max(snapshot?.version ?? 0, readVersion + 1)
  const deletedAt = snapshot?.deletedAt ?? context.now.toISOString()
  return eventOf({ id, version, deletedAt }, originOf(context))
}

/** The state that others may see. It lists each field, so that a new one is not exposed by accident. */
export const publicState = (user: User): UserState => ({
  id: user.id,
  email: user.email,
  name: user.name,
  roles: user.roles,
  isActive: user.isActive,
  createdAt: user.createdAt.toISOString(),
  updatedAt: user.updatedAt.toISOString(),
})

/** Which access tokens are revoked. It travels beside the public state. */
export const tokenState = ({ tokensFromVersion, tokensRevokedAt }: User): TokenState => ({
  tokensFromVersion,
  ...(tokensRevokedAt && { tokensRevokedAt: tokensRevokedAt.toISOString() }),
})

/**
 * Gives an unchanged user a version above the one that the read side has: there a tombstone or another content has the
 * user's own version, or a higher one. Undefined if the user's version is above it already.
 */
export function raise(user: User, above: number, context: Context): Change | undefined {
  return user.version > above ? undefined : announce({ ...user, version: above + 1 }, [], context)
}

/**
 * A user of a restored backup, at a version above all that was published before. Revocations since the backup are lost,
 * so it ends every session.
 */
export function restore(user: User, version: number, context: Context): Change {
  const state = { ...user, version, tokensFromVersion: version, tokensRevokedAt: context.now }
  return announce(state, ['sessions'], context)
}

/** The next version of a user and its event. */
export const changeTo = (user: User, changed: string[], context: Context): Change =>
  announce({ ...user, version: user.version + 1, updatedAt: context.now }, changed, context)

function announce(state: User, changed: string[], context: Context): Change {
  return { state, event: { ...envelope(state, context), type: 'UserUpdated', data: { ...shown(state), changed } } }
}

const shown = (user: User) => ({ user: publicState(user), ...tokenState(user) })

const envelope = (user: { id: string; version: number }, context: Context) => envelopeOf(user, originOf(context))

const originOf = ({ eventId, now, traceparent, requestid }: Context): Origin => ({
  id: eventId,
  source: '/command-api',
  time: now.toISOString(),
  traceparent,
  requestid,
})

const sameRoles = (a: Role[], b: Role[]): boolean => a.length === b.length && a.every((role) => b.includes(role))
