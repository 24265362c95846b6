import Type, { type Static } from 'typebox'
import { Email, Name, Password, Roles, UserState } from './user.ts'

const closed = { additionalProperties: false }

/** POST /api/v1/auth/register */
export const RegisterUser = Type.Object({ email: Email, password: Password, name: Name, roles: Roles }, closed)
export type RegisterUser = Static<typeof RegisterUser>

/** POST /api/v1/auth/login. Any string is tried: what is no password of ours is merely a wrong one. */
export const LogIn = Type.Object(
  {
    email: Type.String({ maxLength: 254, examples: ['user@example.com'] }),
    password: Type.String({ maxLength: 128, examples: ['password123'] }),
  },
  closed,
)
export type LogIn = Static<typeof LogIn>

/** PUT /api/v1/users/:id replaces both fields (RFC 9110, 9.3.4), so both are required. */
export const UpdateUser = Type.Object({ name: Name, roles: Roles }, closed)
export type UpdateUser = Static<typeof UpdateUser>

/** POST /api/v1/users/:id/password. As with a login, any string is tried as the current password. */
export const ChangePassword = Type.Object(
  { currentPassword: Type.String({ maxLength: 128, examples: ['password123'] }), newPassword: Password },
  closed,
)
export type ChangePassword = Static<typeof ChangePassword>

/** What commands on a user answer: the user, and the version that a query can wait for. */
export const UserAnswer = Type.Object({ ...UserState.properties, version: Type.Integer({ minimum: 1 }) })
export type UserAnswer = Static<typeof UserAnswer>

/** An access token (the names of RFC 6749, 5.1, in the mission's camel case). `expiresIn` is in seconds. */
export const AccessToken = Type.Object({
  accessToken: Type.String({
    description: 'A JWT (RFC 9068)',
    examples: ['eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln'],
  }),
  tokenType: Type.Literal('Bearer'),
  expiresIn: Type.Integer({ description: 'Seconds', examples: [900] }),
})
export type AccessToken = Static<typeof AccessToken>

const exampleToken = 'qIKywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-Uf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU'

/** A session's refresh token, for one use; `refreshExpiresIn` is after how many seconds without use it ends. */
export const RefreshToken = Type.Object({
  refreshToken: Type.String({
    description: 'Opaque; it can be used once, and is answered with its successor',
    examples: [exampleToken],
  }),
  refreshExpiresIn: Type.Integer({ description: 'Seconds', examples: [604_800] }),
})
export type RefreshToken = Static<typeof RefreshToken>

/** What a login and a refresh answer. */
export const SessionAnswer = Type.Object({ ...AccessToken.properties, ...RefreshToken.properties })
export type SessionAnswer = Static<typeof SessionAnswer>

/** POST /api/v1/auth/refresh and /logout. Any string is tried: what is no token of ours is merely not good. */
export const RefreshSession = Type.Object(
  { refreshToken: Type.String({ maxLength: 512, examples: [exampleToken] }) },
  closed,
)
export type RefreshSession = Static<typeof RefreshSession>
