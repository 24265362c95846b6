import { DigestReply, PageReply, RepublishReply, syncSubjects, VersionsReply } from '@cqrs/contracts'
import type { NatsLink } from '@cqrs/service-kit'
import { Compile } from 'typebox/compile'

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
  digest(after: string, limit: number): Promise<DigestReply> {
    return this.#ask('digest', { after, limit })
  }

  /** Id and version of the live users after `after`, up to and with `upTo` (null: to the end), and who has events pending. */
  versions(after: string, upTo: string | null): Promise<VersionsReply> {
    return this.#ask('versions', { after, upTo })
  }

  /** The next `limit` users after an id, whole, and what is left of deleted ones. */
  page(after: string, limit: number): Promise<PageReply> {
    return this.#ask('page', { after, limit })
  }

  /** Has events published that say how these users stand. @returns how many there were to publish */
  async republish(users: { id: string; readVersion: number }[]): Promise<number> {
    return (await this.#ask('republish', { users })).published
  }

  async #ask<Question extends keyof Replies>(question: Question, request: object): Promise<Replies[Question]> {
    const connection = this.#nats.connection()
    if (!connection) throw new Error('NATS is away')
    const subject = syncSubjects[question]
    const message = await connection.request(subject, JSON.stringify(request), { timeout: 10_000 }).catch((error) => {
      throw new Error('no command-api answers; it is asked over NATS', { cause: error })
    })
    const answer: unknown = message.json()
    if (!replies[question].Check(answer)) throw new Error('command-api cannot answer; its log says why')
    return answer as Replies[Question]
  }
}

type Replies = {
  digest: DigestReply
  versions: VersionsReply
  page: PageReply
  republish: RepublishReply
}

/** Compiled, since a page holds a thousand users. */
const replies = {
  digest: Compile(DigestReply),
  versions: Compile(VersionsReply),
  page: Compile(PageReply),
  republish: Compile(RepublishReply),
}
