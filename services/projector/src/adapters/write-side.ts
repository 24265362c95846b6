import { DigestReply, PageReply, RepublishReply, syncSubjects, VersionsReply } from '@cqrs/contracts'
import type { NatsLink } from '@cqrs/service-kit'
import type { Static, TSchema } from 'typebox'
import Value from 'typebox/value'

/**
 * Asks command-api how its users stand, over NATS (contracts/sync.ts): this side never reads the write database.
 * Every method throws when NATS is away, or when no command-api answers within 10 s, or none can.
 */
export class WriteSide {
  readonly #nats: NatsLink

  constructor(nats: NatsLink) {
    this.#nats = nats
  }

  /** Count and digest of the next `limit` live users after an id. */
  digest(after: string, limit: number): Promise<Static<typeof DigestReply>> {
    return this.#ask(syncSubjects.digest, DigestReply, { after, limit })
  }

  /** Id and version of the live users after `after`, up to and with `upTo` (null: to the end), and who has events pending. */
  versions(after: string, upTo: string | null): Promise<VersionsReply> {
    return this.#ask(syncSubjects.versions, VersionsReply, { after, upTo })
  }

  /** The next `limit` users after an id, whole, and what is left of deleted ones. */
  page(after: string, limit: number): Promise<Static<typeof PageReply>> {
    return this.#ask(syncSubjects.page, PageReply, { after, limit })
  }

  /** Has events published that say how these users stand. @returns how many there were to publish */
  async republish(users: { id: string; readVersion: number }[]): Promise<number> {
    return (await this.#ask(syncSubjects.republish, RepublishReply, { users })).published
  }

  async #ask<Schema extends TSchema>(subject: string, reply: Schema, request: object): Promise<Static<Schema>> {
    const connection = this.#nats.connection()
    if (!connection) throw new Error('NATS is away')
    const message = await connection.request(subject, JSON.stringify(request), { timeout: 10_000 }).catch((error) => {
      throw new Error('no command-api answers; it is asked over NATS', { cause: error })
    })
    const answer: unknown = message.json()
    if (!Value.Check(reply, answer)) throw new Error('command-api cannot answer; its log says why')
    return answer
  }
}
