import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { UserId } from './user.ts'

/**
 * The header with a token in the answer of every command and query. A query that gets it back never shows an older
 * state than those answers did.
 */
export const consistencyTokenHeader = 'consistency-token'

/** What a token says. Clients pass it on as it is; its form can change. */
const ConsistencyToken = Type.Object({
  /** When it was made, in seconds since 1970. */
  at: Type.Integer({ minimum: 0 }),
  /** Users with the version that a command answered: read models may not have it yet. */
  users: Type.Array(Type.Tuple([UserId, Type.Integer({ minimum: 1 })])),
  /** The read database that a query has read, and the time at which (MongoDB's cluster time). */
  database: Type.Optional(Type.String()),
  time: Type.Optional(Type.String({ pattern: '^[0-9]{1,19}$' })),
})
type ConsistencyToken = Static<typeof ConsistencyToken>

/** The text of a token. */
export const consistencyToken = (token: Omit<ConsistencyToken, 'at'>): string =>
  Buffer.from(JSON.stringify({ at: Math.floor(Date.now() / 1_000), ...token })).toString('base64url')

/** Parses a token; undefined if it is none. */
export function readConsistencyToken(text: string): ConsistencyToken | undefined {
  try {
    const token: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    return form.Check(token) ? token : undefined
  } catch {
    return undefined
  }
}

const form = Compile(ConsistencyToken)
