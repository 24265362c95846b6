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
