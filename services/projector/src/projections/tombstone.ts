import type { UserDeleted, UserReadTombstone } from '@cqrs/contracts'

/**
 * What every read model keeps of a deleted user: no personal data, only what prevents a late event from reviving it.
 */
export function tombstone({ subject, version, data }: UserDeleted): UserReadTombstone {
  const deletedAt = new Date(data.deletedAt)
  return { _id: subject, version, deletedAt, expiresAt: new Date(deletedAt.getTime() + lifetimeMs) }
}

/**
 * The time in which a late event cannot revive its user. Redelivery delays events by minutes and an outage by hours; a
 * dead letter waits longest, for the operator who replays it, and 30 days cover that.
 */
const lifetimeMs = 30 * 24 * 60 * 60 * 1_000
