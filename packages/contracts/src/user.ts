import Type, { type Static } from 'typebox'

/** What a user may be. `admin` is never chosen at registration; only another admin grants it. */
export const Role = Type.Enum(['buyer', 'seller', 'admin'])
export type Role = Static<typeof Role>

/** UUID version 7 (RFC 9562, section 5.7): sorts by the time of registration. */
export const UserId = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
  description: 'UUID version 7, lower case',
  examples: ['019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'],
})

/**
 * The address syntax of HTML's `<input type=email>` with a domain of at least two labels: a mailbox on the public
 * internet, without the comments and quoted strings that RFC 5322 also allows. At most 254 octets (RFC 5321, 4.5.3.1.3).
 */
export const Email = Type.String({
  pattern:
    "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\\.)+[a-zA-Z](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$",
  maxLength: 254,
  examples: ['user@example.com'],
})

/** A display name: 1 to 100 code points, not only white space, no control characters, no half of a surrogate pair. */
export const Name = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: '^(?=.*\\S)[^\\p{Cc}\\p{Cs}]+$',
  examples: ['John Doe'],
})

/** 8 to 128 code points, taken as they are: nothing is trimmed, cut or normalised (NIST SP 800-63B, 3.1.1.2). */
export const Password = Type.String({ minLength: 8, maxLength: 128, examples: ['password123'] })

export const Roles = Type.Array(Role, { minItems: 1, maxItems: 3, uniqueItems: true, examples: [['buyer']] })

/** RFC 3339, UTC. */
export const Timestamp = Type.String({
  pattern: '^\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])T(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?Z$',
  examples: ['2026-11-23T09:30:00.000Z'],
})

/** The public state of a user, as events and command answers carry it: never a password, never a hash. */
export const UserState = Type.Object({
  id: UserId,
  email: Type.String({ examples: ['user@example.com'] }),
  name: Type.String({ examples: ['John Doe'] }),
  roles: Type.Array(Role, { examples: [['buyer']] }),
  isActive: Type.Boolean(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
})
export type UserState = Static<typeof UserState>

/**
 * Which access tokens of a user are dead: those whose claim `ver` is below `tokensFromVersion`. It travels beside the
 * public state and is no part of it. `tokensRevokedAt` says when it last rose, and is absent where it never did.
 */
export const TokenState = Type.Object({
  tokensFromVersion: Type.Integer({ minimum: 1, examples: [1] }),
  tokensRevokedAt: Type.Optional(Timestamp),
})
export type TokenState = Static<typeof TokenState>

/** No access token lives longer, in seconds: what was revoked longer ago than this, nobody has to remember. */
export const maxAccessTokenLifetimeSeconds = 3_600

/**
 * The form under which an address is stored, compared and unique. RFC 5321 lets a host tell `A@x` from `a@x`; no mail
 * provider of note does, and two accounts that differ in case only are a trap for the person.
 */
export const normaliseEmail = (email: string): string => email.toLowerCase()
