import Type, { type Static } from 'typebox'
import { Role, Timestamp, UserState, visibleText } from './user.ts'

/** A user as queries answer it: the public state, and what the projector derives from it. */
export const UserReadModel = Type.Object({
  ...UserState.properties,
  roleCount: Type.Integer(),
  isBuyer: Type.Boolean(),
  isSeller: Type.Boolean(),
  version: Type.Integer({ minimum: 1 }),
})
export type UserReadModel = Static<typeof UserReadModel>

/**
 * Selects a page. `cursor` continues after the previous page at constant cost. `offset` walks the index, so it is
 * limited to `maxOffset`.
 */
export const Page = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Maximum number of users on a page' }),
    offset: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Users to skip, at most 100,000; not together with `cursor`' }),
    ),
    cursor: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2_000,
        pattern: '^[A-Za-z0-9_-]+$',
        'x-detail': 'must be a `nextCursor`',
        description: '`pagination.nextCursor` of the previous page, unchanged',
      }),
    ),
  },
  { additionalProperties: false },
)
export type Page = Static<typeof Page>

export const maxOffset = 100_000

/** The parameters of the list of all users. A combination that no index serves is refused. */
export const UserList = Type.Object(
  {
    ...Page.properties,
    sort: Type.Optional(Type.Enum(['newest', 'name'], { description: 'Default: `newest`; not together with `q`' })),
    isActive: Type.Optional(Type.Boolean()),
    createdAfter: Type.Optional({ ...Timestamp, description: 'Registered at or after this time; requires `newest`' }),
    createdBefore: Type.Optional({ ...Timestamp, description: 'Registered before this time; requires `newest`' }),
    q: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        ...visibleText,
        description:
          'Prefix of the name or the e-mail address, ignoring case and accents. Users whose name matches come first, ' +
          'ordered by name; then those whose address matches, ordered by address',
      }),
    ),
  },
  { additionalProperties: false },
)
export type UserList = Static<typeof UserList>

/** The parameters of the directory, which is for administrators. */
export const DirectoryList = Type.Object(
  {
    limit: Page.properties.limit,
    cursor: Page.properties.cursor,
    word: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        ...visibleText,
        description: 'One word of the name or the e-mail address, ignoring case and accents; not together with `role`',
      }),
    ),
    role: Type.Optional(Role),
  },
  { additionalProperties: false },
)
export type DirectoryList = Static<typeof DirectoryList>

const IntegerOrNull = (description: string, example: number) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], description, examples: [example] })

/** A page of users. */
export const UserPage = Type.Object({
  data: Type.Array(UserReadModel),
  pagination: Type.Object({
    limit: Type.Integer(),
    offset: IntegerOrNull('null for a page requested by `cursor`', 0),
    total: IntegerOrNull('Total number of users; null for time filters and searches', 1),
    nextCursor: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Cursor of the next page, null on the last. A page can be shorter than `limit` and not be the last',
      examples: [null],
    }),
  }),
})
export type UserPage = Static<typeof UserPage>

/**
 * The request header with the `version` of a command's answer. The query waits until the read model has that version: a
 * client reads its own write.
 */
export const minVersionHeader = 'x-min-version'

/** GET /api/v1/stats/users */
export const UserStats = Type.Object({
  users: Type.Integer({ description: 'All users except deleted ones' }),
  active: Type.Integer(),
  byRole: Type.Object({ buyer: Type.Integer(), seller: Type.Integer(), admin: Type.Integer() }),
  registrationsByDay: Type.Array(
    Type.Object({ day: Type.String({ examples: ['2026-11-23'] }), registrations: Type.Integer() }),
    { description: 'Registrations of existing users by day (UTC), newest first, without empty days' },
  ),
})
export type UserStats = Static<typeof UserStats>
