import { consistencyTokenHeader, Refusal, readConsistencyToken, tombstoneLifetimeMs } from '@cqrs/contracts'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { SeenTimes } from '../read-store/read-database.ts'

/** What a client has seen, and an answer must not be older than. */
export type Seen = {
  /** The latest version of users that a command changed. */
  users: ReadonlyMap<string, number>
  times: SeenTimes
}

const expected = 'must be tokens of answers, separated by commas'

/** The request header of every query. */
export const FreshnessHeaders = Type.Object({
  [consistencyTokenHeader]: Type.Optional(
    Type.String({
      pattern: '^[\\w-]+(?: *, *[\\w-]+)*$',
      'x-detail': expected,
      maxLength: 8_192,
      description:
        'The `Consistency-Token` of earlier answers, of commands or queries, separated by commas: the answer is not ' +
        'older than any of them. The query waits for a moment if need be',
    }),
  ),
})

/** What the description says of the answers that wait for what a client has seen. */
export const freshAnswer = {
  headers: ['Cache-Control', 'Consistency-Token'],
  problems: ['rate-limited', 'read-model-behind', 'overloaded', 'storage-unavailable'],
} as const

/**
 * What the request's tokens say together; undefined without any.
 * @throws Refusal `validation-failed` if a token is invalid, or if they name more than `maxUsers` users
 */
export function seenOf({ headers }: FastifyRequest): Seen | undefined {
  const text = headers[consistencyTokenHeader] as string | undefined
  if (text === undefined) return undefined
  const users = new Map<string, number>()
  const times = new Map<string, bigint>()
  for (const one of text.split(',')) {
    const token = readConsistencyToken(one.trim())
    if (!token) throw refuse(expected)
    if (token.database !== undefined && token.time !== undefined)
      times.set(token.database, later(times.get(token.database), BigInt(token.time)))
    // Nothing shows any more that such a user was deleted.
    if (Date.now() - token.at * 1_000 > tombstoneLifetimeMs) continue
    for (const [id, version] of token.users) users.set(id, Math.max(version, users.get(id) ?? 0))
  }
  if (users.size > maxUsers)
    throw refuse(`must name at most ${maxUsers} users; pass on the token of each answer instead of all tokens`)
  return { users, times }
}

const later = (one = 0n, other: bigint): bigint => (one > other ? one : other)

const refuse = (detail: string): Refusal =>
  new Refusal('validation-failed', { errors: [{ pointer: `#/headers/${consistencyTokenHeader}`, detail }] })

const maxUsers = 20
