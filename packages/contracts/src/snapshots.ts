import Type, { type Static } from 'typebox'
import { envelopeOf, type Origin, type UserEvent } from './events.ts'
import { Timestamp, TokenState, UserId, UserState } from './user.ts'

const Version = Type.Integer({ minimum: 1 })

/** A user at a version, or the tombstone of a deleted one. */
export const Snapshot = Type.Union([
  Type.Object({ id: UserId, version: Version, user: UserState, ...TokenState.properties }),
  Type.Object({ id: UserId, version: Version, deletedAt: Timestamp }),
])
export type Snapshot = Static<typeof Snapshot>

/**
 * The event that brings a read model to this snapshot: UserDeleted for a tombstone, otherwise UserUpdated with an empty
 * `changed`. It is never UserCreated: a repair is not a registration, and must not send a second welcome e-mail.
 */
export function eventOf(snapshot: Snapshot, origin: Origin): UserEvent {
  const { id: _id, version: _version, ...data } = snapshot
  const envelope = envelopeOf(snapshot, origin)
  if ('deletedAt' in data) return { ...envelope, type: 'UserDeleted', data }
  return { ...envelope, type: 'UserUpdated', data: { ...data, changed: [] } }
}
