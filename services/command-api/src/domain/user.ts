import {
  envelopeOf,
  eventOf,
  normaliseEmail,
  type Origin,
  Refusal,
  type RegisterUser,
  type Role,
  type Snapshot,
  type TokenState,
  type UpdateUser,
  type UserEvent,
  type UserState,
} from '@cqrs/contracts'

export type User = Omit<UserState, 'createdAt' | 'updatedAt'> & {
  passwordHash: string
  version: number
  createdAt: Date
  updatedAt: Date
  /** Access tokens with a lower `ver` are dead; so are refresh tokens of sessions that began at a lower version. */
  tokensFromVersion: number
  tokensRevokedAt?: Date
}

/** What is kept of a deleted user. */
export type Tombstone = { id: string; version: number; deletedAt: Date }

/** A decision: the next state, and the event that tells the others. They are written together or not at all. */
export type Change<State = User> = { state: State; event: UserEvent }

/** Who asks, when, and the names that the outside world lends: all that a decision needs besides state and input. */
export type Context = { caller?: Caller | undefined; now: Date; eventId: string; traceparent?: string | undefined }
export type Caller = { id: string; roles: string[] }

/** A new user. @throws Refusal `role-not-allowed` */
export function register(id: string, input: RegisterUser, passwordHash: string, context: Context): Change {
  refuseGranting(input.roles)
  return created(id, input, passwordHash, context)
}

/** A new user with the role admin, for the operator's command only: no request reaches this. */
export const registerAdmin = (id: string, input: Omit<RegisterUser, 'roles'>, passwordHash: string, context: Context) =>
  created(id, { ...input, roles: ['admin'] }, passwordHash, context)

/**
 * Another name, other roles; undefined where nothing would change.
 * @throws Refusal `not-allowed`, `role-not-allowed`
 */
export function update(user: User, input: UpdateUser, context: Context): Change | undefined {
  refuseUnlessSelfOrAdmin(user.id, context.caller)
  if (!user.roles.includes('admin')) refuseGranting(input.roles, user.id, context.caller)
  const changed = [
    ...(input.name === user.name ? [] : ['name']),
    ...(sameRoles(input.roles, user.roles) ? [] : ['roles']),
  ]
  if (changed.length === 0) return undefined
  return changeTo({ ...user, ...input }, changed, context)
}

/** @throws Refusal `not-allowed` */
export function remove(user: User, context: Context): Change<Tombstone> {
  refuseUnlessSelfOrAdmin(user.id, context.caller)
  const state: Tombstone = { id: user.id, version: user.version + 1, deletedAt: context.now }
  return {
    state,
    event: { ...envelope(state, context), type: 'UserDeleted', data: { deletedAt: context.now.toISOString() } },
  }
}

/**
 * An event that says again how a user stands, for a read side that has it in another version (0: not at all); undefined
 * where it has the latest. What the write side does not know never was, or is gone for long: it is said to be deleted.
 */
export function restate(
  id: string,
  snapshot: Snapshot | undefined,
  readVersion: number,
  context: Context,
): UserEvent | undefined {
  const isNew = readVersion === 0
  if (snapshot && 'user' in snapshot)
    return snapshot.version > readVersion ? eventOf(snapshot, originOf(context), { isNew }) : undefined
  const version = Math.max(snapshot?.version ?? 0, readVersion + 1)
  const deletedAt = snapshot?.deletedAt ?? context.now.toISOString()
  return eventOf({ id, version, deletedAt }, originOf(context), { isNew })
}

/** A user changes itself, an admin anyone. @throws Refusal `not-allowed` */
export function refuseUnlessSelfOrAdmin(id: string, caller: Caller | undefined): void {
  if (caller?.id !== id && !caller?.roles.includes('admin')) throw new Refusal('not-allowed')
}

/** The role admin comes from an admin who is somebody else. @throws Refusal `role-not-allowed` */
export function refuseGranting(roles: Role[], id?: string, caller?: Caller): void {
  const byAnotherAdmin = caller?.roles.includes('admin') && caller.id !== id
  if (roles.includes('admin') && !byAnotherAdmin) throw new Refusal('role-not-allowed')
}

/** What others may see of a user: chosen field by field, so that nothing new slips out. */
export const publicState = (user: User): UserState => ({
  id: user.id,
  email: user.email,
  name: user.name,
  roles: user.roles,
  isActive: user.isActive,
  createdAt: user.createdAt.toISOString(),
  updatedAt: user.updatedAt.toISOString(),
})

/** Beside the public state: which tokens are dead. */
export const tokenState = ({ tokensFromVersion, tokensRevokedAt }: User): TokenState => ({
  tokensFromVersion,
  ...(tokensRevokedAt && { tokensRevokedAt: tokensRevokedAt.toISOString() }),
})

/** The user's next version, and its event. */
export function changeTo(user: User, changed: string[], context: Context): Change {
  const state: User = { ...user, version: user.version + 1, updatedAt: context.now }
  return { state, event: { ...envelope(state, context), type: 'UserUpdated', data: { ...shown(state), changed } } }
}

function created(id: string, input: RegisterUser, passwordHash: string, context: Context): Change {
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

const shown = (user: User) => ({ user: publicState(user), ...tokenState(user) })

const envelope = (user: { id: string; version: number }, context: Context) => envelopeOf(user, originOf(context))

const originOf = ({ eventId, now, traceparent }: Context): Origin => ({
  id: eventId,
  source: '/command-api',
  time: now.toISOString(),
  traceparent,
})

const sameRoles = (a: Role[], b: Role[]): boolean => a.length === b.length && a.every((role) => b.includes(role))
