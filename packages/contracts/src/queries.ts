import Type, { type Static } from 'typebox'
import { Timestamp, UserState } from './user.ts'

/** One user as queries answer it: the public state and what was counted out when the event was applied. */
export const UserReadModel = Type.Object({
  ...UserState.properties,
  roleCount: Type.Integer(),
  isBuyer: Type.Boolean(),
  isSeller: Type.Boolean(),
  version: Type.Integer({ minimum: 1 }),
})
export type UserReadModel = Static<typeof UserReadModel>

/**
 * Which page: `cursor` goes on where the page before ended, at the same cost however deep. `offset` walks the index up to
 * there, so it is bounded.
 */
export const Page = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Users on a page at most' }),
    offset: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Users to pass over: 100,000 at most. Not together with `cursor`' }),
    ),
    cursor: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2_000,
        pattern: '^[A-Za-z0-9_-]+$',
        description: '`pagination.nextCursor` of the page before, taken as it is',
      }),
    ),
  },
  { additionalProperties: false },
)
export type Page = Static<typeof Page>

export const maxOffset = 100_000

/** The parameters of the list of all users. Each combination that is taken is served by an index; the others are refused. */
export const UserList = Type.Object(
  {
    ...Page.properties,
    sort: Type.Optional(
      Type.Enum(['newest', 'name'], { description: '`newest` if nothing is said; not together with `q`' }),
    ),
    isActive: Type.Optional(Type.Boolean()),
    createdAfter: Type.Optional({ ...Timestamp, description: 'Registered at this time or later; only with `newest`' }),
    createdBefore: Type.Optional({ ...Timestamp, description: 'Registered before this time; only with `newest`' }),
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        pattern: '^(?=.*\\S)[^\\p{Cc}\\p{Cs}]+$',
        description:
          'What the name or the e-mail address begins with, in whatever case and with or without accents: first those found by name, in its order, then the others, by address',
      }),
    ),
  },
  { additionalProperties: false },
)
export type UserList = Static<typeof UserList>

const IntegerOrNull = (description: string, example: number) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], description, examples: [example] })

/** A page of users. */
export const UserPage = Type.Object({
  data: Type.Array(UserReadModel),
  pagination: Type.Object({
    limit: Type.Integer(),
    offset: IntegerOrNull('null where the page was asked for by `cursor`', 0),
    total: IntegerOrNull('How many there are in all; null where that would have to be counted', 1),
    nextCursor: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description:
        'For the next page; null where this is the last. A page can be shorter than `limit` and not the last',
      examples: [null],
    }),
  }),
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
