import { createHash } from 'node:crypto'
import type { UpdateUser } from '@cqrs/contracts'
import Type, { type Static } from 'typebox'
import type { Once } from '../store/change-user.ts'
import type { Done } from '../store/user-document.ts'
import type { UserRepository } from '../store/user-repository.ts'

/**
 * The request header that makes a repeated command take effect once: a string of RFC 9651, as in
 * draft-ietf-httpapi-idempotency-key-header. Preferably a UUID; it is a secret of the client.
 */
export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^"(?:[ !#-\\[\\]-~]|\\\\["\\\\]){1,255}"$',
      'x-detail': 'must be a string in double quotes, of 1 to 255 characters (RFC 9651)',
      maxLength: 512,
      description: 'A repeated request with the same key and body gets the first answer again, for 24 hours',
      examples: ['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    }),
  ),
})

/** The response header of a replayed answer. */
export const replayed = { 'idempotency-replayed': 'true' } as const

/**
 * The record to keep of a command with a key, undefined without one. The key is hashed with its scope: the same key of
 * another caller is another key. The body is hashed without any password in it (docs/decisions/0013).
 */
export async function doneOf(
  { 'idempotency-key': key }: Static<typeof IdempotencyHeaders>,
  scope: string[],
  body: readonly unknown[],
  users: UserRepository,
): Promise<Done | undefined> {
  return key ? { key: hash([...scope, key]), fingerprint: hash(body), at: await users.now() } : undefined
}

/** The same for `changeUser`. */
export async function onceOf(
  headers: Static<typeof IdempotencyHeaders>,
  scope: string[],
  input: UpdateUser,
  users: UserRepository,
): Promise<Once | undefined> {
  const done = await doneOf(headers, scope, [input.name, input.roles], users)
  return done && { done, input }
}

const hash = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
