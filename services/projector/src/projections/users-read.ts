import {
  type Role,
  type ShownState,
  shapeName,
  type UserCreated,
  type UserReadDocument,
  type UserReadTombstone,
  type UserUpdated,
  usersReadIndexes,
} from '@cqrs/contracts'
import type { Projection } from './projection.ts'
import { tombstone } from './tombstone.ts'

/** The users as query-api returns them, with the fields that are derived from the roles. */
export const usersRead: Projection<UserReadDocument | UserReadTombstone> = {
  name: shapeName('users_read', 1),
  indexes: usersReadIndexes,
  on: {
    UserCreated: toDocument,
    UserUpdated: toDocument,
    UserDeleted: tombstone,
  },
  shows: {
    fields: ['email', 'name', 'roles', 'isActive', 'createdAt', 'updatedAt', 'tokensFromVersion', 'tokensRevokedAt'],
    // Roles whose derived fields are wrong are wrong.
    of: (document): ShownState => ({ ...document, ...(!isDerived(document) && { roles: null }) }),
  },
}

const derivedFrom = (roles: Role[]) => ({
  roleCount: roles.length,
  isBuyer: roles.includes('buyer'),
  isSeller: roles.includes('seller'),
})

/** Whether the derived fields are those of the roles. */
export function isDerived(document: Partial<UserReadDocument>): boolean {
  const { roleCount, isBuyer, isSeller } = derivedFrom(document.roles ?? [])
  return document.roleCount === roleCount && document.isBuyer === isBuyer && document.isSeller === isSeller
}

/** What every list of users shows of them. */
export function shownUser({ subject, version, data }: UserCreated | UserUpdated): ShownUser {
  const { email, name, roles, isActive, createdAt, updatedAt } = data.user
  return {
    _id: subject,
    email,
    name,
    roles,
    isActive,
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt),
    ...derivedFrom(roles),
    version,
  }
}

type ShownUser = Omit<UserReadDocument, 'tokensFromVersion' | 'tokensRevokedAt' | 'revokedAt'>

function toDocument(event: UserCreated | UserUpdated): UserReadDocument {
  const { tokensFromVersion, tokensRevokedAt } = event.data
  return {
    ...shownUser(event),
    tokensFromVersion,
    ...(tokensRevokedAt && { tokensRevokedAt: new Date(tokensRevokedAt) }),
  }
}
