import { DigestReply, PageReply, RepublishReply, syncSubjects, VersionsReply } from '@cqrs/contracts'
import type { NatsLink } from '@cqrs/service-kit'
import { Compile } from 'typebox/compile'

/**
 * Queries command-api for the state of its users over NATS (contracts/sync.ts), because the read side never reads the
 * write database. Every method throws when NATS is unavailable or no command-api answers within 10 s.
 */
export class WriteSide {
  readonly #nats: NatsLink

  constructor(nats: NatsLink) {
    this.#nats = nats
  }

  /** Count and digest of the next `limit` users after an id. */
  digest(after: string, limit: number): Promise<DigestReply> {
    return this.#ask('digest', { after, limit })
  }

  /**
   * Id and version of the users after `after` up to `upTo`, inclusive (null: to the end), and whose events are
   * pending.
   */
  versions(after: string, upTo: string | null): Promise<VersionsReply> {
    return this.#ask('versions', { after, upTo })
  }

  /** The next `limit` users after an id, with their whole state, tombstones included. */
  page(after: string, limit: number): Promise<PageReply> {
    return this.#ask('page', { after, limit })
  }

  /** Has an event with the current state of each of these users published. @returns the number of events */
  async republish(users: { id: string; readVersion: number }[]): Promise<number> {
    return (await this.#ask('republish', { users })).published
  }

  async #ask<Question extends keyof Replies>(question: Question, request: object): Promise<Replies[Question]> {
    const connection = this.#nats.connection()
    if (!connection) throw new Error('NATS is unavailable')
    const subject = syncSubjects[question]
    const message = await connection.request(subject, JSON.stringify(request), { timeout: 10_000 }).catch((error) => {
      throw new Error('no command-api answered over NATS', { cause: error })
    })
    const answer: unknown = message.json()
    if (!replies[question].Check(answer)) throw new Error('command-api failed to answer; see its log')
    return answer as Replies[Question]
  }
}

type Replies = {
  digest: DigestReply
  versions: VersionsReply
  page: PageReply
  republish: RepublishReply
}

/** Compiled, because a page holds a thousand users. */
const replies = {
  digest: Compile(DigestReply),
  versions: Compile(VersionsReply),
  page: Compile(PageReply),
  republish: Compile(RepublishReply),
}
