import Type, { type Static } from 'typebox'
import { Email, Name, Password, Roles, typeable, UserState } from './user.ts'

const closed = { additionalProperties: false }

/** POST /api/v1/auth/register */
export const RegisterUser = Type.Object({ email: Email, password: Password, name: Name, roles: Roles }, closed)
export type RegisterUser = Static<typeof RegisterUser>

const exampleDeviceToken = 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImRldmljZStqd3QifQ.e30.c2ln'

/** POST /api/v1/auth/login. Any password is accepted here: one that breaks the rules is merely wrong. */
export const LogIn = Type.Object(
  {
    email: Type.String({ maxLength: 254, examples: ['user@example.com'] }),
    password: Type.String({ maxLength: 128, ...typeable, examples: ['password123'] }),
    deviceToken: Type.Optional(
      Type.String({
        maxLength: 1_024,
        description: 'The one that the last login from this device returned; any other text has no effect',
        examples: [exampleDeviceToken],
      }),
    ),
  },
  closed,
)
export type LogIn = Static<typeof LogIn>

/** PUT /api/v1/users/:id replaces both fields (RFC 9110, 9.3.4), so both are required. */
export const UpdateUser = Type.Object({ name: Name, roles: Roles }, closed)
export type UpdateUser = Static<typeof UpdateUser>

/** POST /api/v1/users/:id/password. As in LogIn, any current password is accepted. */
export const ChangePassword = Type.Object(
  { currentPassword: Type.String({ maxLength: 128, ...typeable, examples: ['password123'] }), newPassword: Password },
  closed,
)
export type ChangePassword = Static<typeof ChangePassword>

/** The answer of a command on a user: the user, and the version that a query can wait for. */
export const UserAnswer = Type.Object({ ...UserState.properties, version: Type.Integer({ minimum: 1 }) })
export type UserAnswer = Static<typeof UserAnswer>

/** An access token, in the terms of RFC 6749, 5.1. `expiresIn` is in seconds. */
export const AccessToken = Type.Object({
  accessToken: Type.String({
    description: 'JWT (RFC 9068)',
    examples: ['eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln'],
  }),
  tokenType: Type.Literal('Bearer'),
  expiresIn: Type.Integer({ description: 'Lifetime in seconds', examples: [900] }),
})
export type AccessToken = Static<typeof AccessToken>

const exampleToken = 'qIKywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-Uf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU'

/** The refresh token of a session, for one use. It expires when it is not used for `refreshExpiresIn` seconds. */
export const RefreshToken = Type.Object({
  refreshToken: Type.String({
    description: 'Opaque. Can be used once; each refresh returns the next one',
    examples: [exampleToken],
  }),
  refreshExpiresIn: Type.Integer({ description: 'Lifetime in seconds, if the token is not used', examples: [604_800] }),
})
export type RefreshToken = Static<typeof RefreshToken>

/** The answer of a refresh. */
export const SessionAnswer = Type.Object({ ...AccessToken.properties, ...RefreshToken.properties })
export type SessionAnswer = Static<typeof SessionAnswer>

/** The answer of a login. */
export const LogInAnswer = Type.Object({
  ...SessionAnswer.properties,
  deviceToken: Type.String({
    description:
      'Keep it, also after a logout, and send it with the next login: then failed logins from elsewhere do not delay ' +
      'it. It grants no access',
    examples: [exampleDeviceToken],
  }),
})
export type LogInAnswer = Static<typeof LogInAnswer>

/** POST /api/v1/auth/refresh and /logout. Any string is accepted here: an unknown token is merely invalid. */
export const RefreshSession = Type.Object(
  { refreshToken: Type.String({ maxLength: 512, examples: [exampleToken] }) },
  closed,
)
export type RefreshSession = Static<typeof RefreshSession>
