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
 * The event that brings a read model to this snapshot: UserDeleted for a tombstone; otherwise UserCreated if the reader
 * has no version of the user yet (`isNew`), or UserUpdated with an empty `changed`.
 */
export function eventOf(snapshot: Snapshot, origin: Origin, { isNew }: { isNew: boolean }): UserEvent {
  const { id: _id, version: _version, ...data } = snapshot
  const envelope = envelopeOf(snapshot, origin)
  if ('deletedAt' in data) return { ...envelope, type: 'UserDeleted', data }
  if (isNew) return { ...envelope, type: 'UserCreated', data }
  return { ...envelope, type: 'UserUpdated', data: { ...data, changed: [] } }
}
