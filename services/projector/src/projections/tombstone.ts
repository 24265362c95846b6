import type { UserDeleted, UserReadTombstone } from '@cqrs/contracts'

/** What every read model keeps of a deleted user: no personal data, only what stops a late event from reviving it. */
export function tombstone({ subject, version, data }: UserDeleted): UserReadTombstone {
  const deletedAt = new Date(data.deletedAt)
  return { _id: subject, version, deletedAt, expiresAt: new Date(deletedAt.getTime() + lifetimeMs) }
}

/**
 * How long a tombstone keeps a late event from reviving its user. Redelivery makes events late by minutes, an outage by
 * hours; the longest wait is that of a dead letter for the person who replays it, and 30 days are enough for that.
 */
const lifetimeMs = 30 * 24 * 60 * 60 * 1_000
