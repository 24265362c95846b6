import {
  type UserCreated,
  type UserReadDocument,
  type UserReadTombstone,
  type UserUpdated,
  usersReadCollection,
  usersReadIndexes,
} from '@cqrs/contracts'
import type { Projection } from './projection.ts'
import { tombstone } from './tombstone.ts'

/** The users as query-api returns them, with the fields that are derived from the roles. */
export const usersRead: Projection<UserReadDocument | UserReadTombstone> = {
  name: usersReadCollection,
  indexes: usersReadIndexes,
  on: {
    UserCreated: toDocument,
    UserUpdated: toDocument,
    UserDeleted: tombstone,
  },
}

function toDocument({ subject, version, data }: UserCreated | UserUpdated): UserReadDocument {
  const { email, name, roles, isActive, createdAt, updatedAt } = data.user
  const { tokensFromVersion, tokensRevokedAt } = data
  return {
    _id: subject,
    email,
    name,
    roles,
    isActive,
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt),
    roleCount: roles.length,
    isBuyer: roles.includes('buyer'),
    isSeller: roles.includes('seller'),
    version,
    tokensFromVersion,
    ...(tokensRevokedAt && { tokensRevokedAt: new Date(tokensRevokedAt) }),
  }
}
