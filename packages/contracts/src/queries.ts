import Type, { type Static } from 'typebox'
import { UserState } from './user.ts'

/** One user as queries answer it: the public state and what was counted out when the event was applied. */
export const UserReadModel = Type.Object({
  ...UserState.properties,
  roleCount: Type.Integer(),
  isBuyer: Type.Boolean(),
  isSeller: Type.Boolean(),
  version: Type.Integer({ minimum: 1 }),
})
export type UserReadModel = Static<typeof UserReadModel>

/** `?limit=20&offset=0`. A deep offset walks the index, so it is bounded. */
export const Page = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    offset: Type.Integer({ minimum: 0, maximum: 100_000, default: 0 }),
  },
  { additionalProperties: false },
)
export type Page = Static<typeof Page>

/** A page of users, newest first. */
export const UserPage = Type.Object({
  data: Type.Array(UserReadModel),
  pagination: Type.Object({ limit: Type.Integer(), offset: Type.Integer(), total: Type.Integer() }),
})
export type UserPage = Static<typeof UserPage>

/**
 * The request header that makes a query wait until the read model has this version of the user: the `version` of a
 * command's answer. So a client reads its own write.
 */
export const minVersionHeader = 'x-min-version'

/** GET /api/v1/stats/users */
export const UserStats = Type.Object({
  users: Type.Integer({ description: 'All users, deleted ones not counted' }),
  active: Type.Integer(),
  byRole: Type.Object({ buyer: Type.Integer(), seller: Type.Integer(), admin: Type.Integer() }),
  registrationsByDay: Type.Array(
    Type.Object({ day: Type.String({ examples: ['2026-11-23'] }), registrations: Type.Integer() }),
    { description: 'Of users that still exist, by day (UTC), newest first; days without any are left out' },
  ),
})
export type UserStats = Static<typeof UserStats>
