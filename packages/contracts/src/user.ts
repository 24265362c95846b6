import Type, { type Static } from 'typebox'
import Value from 'typebox/value'

/** `admin` cannot be chosen at registration; only another admin grants it. */
export const Role = Type.Enum(['buyer', 'seller', 'admin'])
export type Role = Static<typeof Role>

/** UUID version 7 (RFC 9562, section 5.7): sorts by the time of registration. */
export const UserId = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
  description: 'UUID version 7, lower case',
  'x-detail': 'must be a UUID of version 7 in lower case',
  examples: ['019a6f0c-3b5e-7c21-9d52-6b1f0e8a4c37'],
})

/**
 * Text with something visible in it: no control characters, line or paragraph separators, noncharacters or halves of
 * surrogate pairs, and none that change the direction of the text around them (Unicode Technical Report 36, 2.10).
 * Invisible characters that join emoji and letters are part of names.
 */
export const visibleText = {
  pattern:
    '^(?=.*[^\\s\\p{Default_Ignorable_Code_Point}\\p{Cf}\\u2800])' +
    '[^\\p{Cc}\\p{Zl}\\p{Zp}\\p{Bidi_Control}\\p{Cs}\\p{Noncharacter_Code_Point}]+$',
  'x-detail': 'must contain a visible character and no control characters',
}

/**
 * A mailbox on the public internet: a dot-atom of RFC 5322 in ASCII, and a domain of at least two labels, which may be
 * internationalised. No comments or quoted strings. At most 254 octets (RFC 5321, 4.5.3.1.3).
 */
export const Email = Type.String({
  pattern:
    "^(?=[^@]{1,64}@)[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+)*@" +
    '(?:[\\p{L}\\p{N}](?:[\\p{L}\\p{M}\\p{N}-]{0,61}[\\p{L}\\p{M}\\p{N}])?\\.)+' +
    '\\p{L}(?:[\\p{L}\\p{M}\\p{N}-]{0,61}[\\p{L}\\p{M}\\p{N}])?$',
  'x-detail': 'must be an e-mail address',
  maxLength: 254,
  examples: ['user@example.com'],
})

/** A display name: 1 to 100 code points. White space around it is not stored. */
export const Name = Type.String({ minLength: 1, maxLength: 100, ...visibleText, examples: ['John Doe'] })

/** What nobody can type: half a surrogate pair becomes U+FFFD, so that four passwords would open one account. */
export const typeable = { pattern: '^[^\\p{Cs}]*$', 'x-detail': 'must not contain half a surrogate pair' }

/** 8 to 128 code points, not trimmed or truncated (NIST SP 800-63B, 3.1.1.2). */
export const Password = Type.String({ minLength: 8, maxLength: 128, ...typeable, examples: ['password123'] })

export const Roles = Type.Array(Role, { minItems: 1, maxItems: 3, uniqueItems: true, examples: [['buyer']] })

/** RFC 3339, UTC. */
export const Timestamp = Type.String({
  pattern: '^\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])T(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?Z$',
  'x-detail': 'must be a time of RFC 3339 in UTC',
  examples: ['2026-11-23T09:30:00.000Z'],
})

/** The public state of a user, as events and answers carry it: never a password or a hash. */
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
 * Which access tokens of a user are revoked: those whose claim `ver` is below `tokensFromVersion`. No part of the
 * public state. `tokensRevokedAt` is when it last rose, absent if it never did.
 */
export const TokenState = Type.Object({
  tokensFromVersion: Type.Integer({ minimum: 1, examples: [1] }),
  tokensRevokedAt: Type.Optional(Timestamp),
})
export type TokenState = Static<typeof TokenState>

/** The longest lifetime of an access token: a revocation can be forgotten after it. */
export const maxAccessTokenLifetimeSeconds = 3_600

/**
 * The form in which an address is stored, compared and unique: in lower case, with the A-labels of an internationalised
 * domain (RFC 5890). RFC 5321 lets a host tell `A@x` from `a@x`, but no major provider does, and two accounts that
 * differ only in case would confuse people. A domain without such a form stays as it is.
 */
export function normaliseEmail(email: string): string {
  const [local, domain = ''] = email.split(/@(?=[^@]*$)/)
  const url = /^[\p{L}\p{M}\p{N}.-]+$/u.test(domain) ? URL.parse(`http://${domain}`) : null
  return (isAscii(domain) || !url ? email : `${local}@${url.hostname}`).toLowerCase()
}

/** Whether mail can be sent to this address, in its normalised form. */
export const isMailbox = (email: string): boolean => isAscii(email) && Value.Check(Email, email)

/** The form in which a display name is stored. */
export const normaliseName = (name: string): string => name.trim()

const isAscii = (text: string): boolean => !/[^\0-\x7f]/.test(text)
