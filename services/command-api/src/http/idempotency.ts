import { createHash } from 'node:crypto'
import { Refusal } from '@cqrs/contracts'
import Type from 'typebox'
import type { Done } from '../store/user-document.ts'

/**
 * The request header of a command that is to be done once, however often it is sent: a string of RFC 9651, as
 * draft-ietf-httpapi-idempotency-key-header has it. Best a UUID; it is a secret of the client.
 */
export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^"(?:[ !#-\\[\\]-~]|\\\\["\\\\]){1,255}"$',
      'x-detail': 'must be a string in double quotes, of 1 to 255 characters (RFC 9651)',
      maxLength: 512,
      description: 'The same key and body get the first answer again, for 24 hours',
      examples: ['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    }),
  ),
})

/** The response header of an answer that was given before. */
export const replayed = { 'idempotency-replayed': 'true' } as const

/**
 * What is kept of a command that is done. Of the key a hash, together with where and for whom it counts: the same key of
 * another caller is another one. Of the body a hash too, without any password in it (docs/decisions/0013).
 */
export const doneOf = (scope: string[], key: string, body: readonly unknown[]): Done => ({
  key: hash([...scope, key]),
  fingerprint: hash(body),
  at: new Date(),
})

/** @throws Refusal `idempotency-key-reused` where the key came with another body before */
export function refuseReuse(before: Done, now: Done): void {
  if (before.fingerprint !== now.fingerprint) throw new Refusal('idempotency-key-reused')
}

/**
 * The commands with a key that this process is at. Of two processes with the same one, the database lets one be the
 * first, and the other gives its answer.
 */
export class InFlight {
  readonly #keys = new Set<string>()

  /** @throws Refusal `idempotency-in-flight` where the same is under way */
  async run<Result>(done: Done | undefined, work: () => Promise<Result>): Promise<Result> {
    if (!done) return work()
    if (this.#keys.has(done.key)) throw new Refusal('idempotency-in-flight')
    this.#keys.add(done.key)
    try {
      return await work()
    } finally {
      this.#keys.delete(done.key)
    }
  }
}

const hash = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
