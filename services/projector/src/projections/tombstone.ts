import { tombstoneLifetimeMs, type UserDeleted, type UserReadTombstone } from '@cqrs/contracts'

/**
 * What every read model keeps of a deleted user: no personal data, only what prevents a late event from reviving it.
 */
export function tombstone({ subject, version, data }: UserDeleted): UserReadTombstone {
  const deletedAt = new Date(data.deletedAt)
  return { _id: subject, version, deletedAt, expiresAt: new Date(deletedAt.getTime() + tombstoneLifetimeMs) }
}
