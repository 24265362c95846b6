import { type Role, shapeName, type UserCreated, type UserUpdated, userStatsSums } from '@cqrs/contracts'
import type { Projection } from './projection.ts'
import { tombstone } from './tombstone.ts'

/** What the sums depend on in a user. */
type Share = { _id: string; version: number; roles: Role[]; isActive: boolean; day: string }

/** The number of users: in total, active, by role and by day of registration. */
export const userStats: Projection<Share | ReturnType<typeof tombstone>> = {
  name: shapeName('user_stats', 1),
  indexes: [{ name: 'tombstone_expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 }],
  on: {
    UserCreated: toShare,
    UserUpdated: toShare,
    UserDeleted: tombstone,
  },
  shows: {
    fields: ['roles', 'isActive', 'createdOn'],
    of: (document) => ('roles' in document ? { ...document, createdOn: document.day } : {}),
  },
  sums: {
    documentId: userStatsSums,
    tally: (document) => {
      if (!('roles' in document)) return {}
      const { roles, isActive, day } = document
      const byRole = Object.fromEntries(roles.map((role) => [`byRole.${role}`, 1]))
      return { users: 1, active: isActive ? 1 : 0, [`byDay.${day}`]: 1, ...byRole }
    },
  },
}

function toShare({ subject, version, data }: UserCreated | UserUpdated): Share {
  const { roles, isActive, createdAt } = data.user
  return { _id: subject, version, roles, isActive, day: createdAt.slice(0, 10) }
}
