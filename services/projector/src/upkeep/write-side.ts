import {
  DigestReply,
  OutboxReply,
  PageReply,
  type Remedy,
  RepublishReply,
  type StateField,
  syncSubjects,
  VersionsReply,
} from '@cqrs/contracts'
import { connectionOf, type NatsLink } from '@cqrs/service-kit'
import { Compile } from 'typebox/compile'
import type { FollowedDatabase } from '../read-store/followed-database.ts'

/** The answer is from another write database than the one that the read database follows. */
export class ForeignWriteDatabase extends Error {
  constructor(followed: string, answering: string) {
    super(
      `the read models follow the write database ${followed}, but ${answering} answers; they are not compared. ` +
        `If it is the right one: npm run projector -- follow ${answering}`,
    )
  }
}

/**
 * Queries command-api for the state of its users over NATS (contracts/sync.ts), because the read side never reads the
 * write database. Every method throws when NATS is unavailable or no command-api answers within 10 s, and
 * ForeignWriteDatabase when one of another write database answers.
 */
export class WriteSide {
  readonly #nats: NatsLink
  readonly #followed: FollowedDatabase

  constructor(nats: NatsLink, followed: FollowedDatabase) {
    this.#nats = nats
    this.#followed = followed
  }

  /** Count of the next `limit` users after an id, and digest of these fields of them. */
  digest(after: string, limit: number, fields: readonly StateField[]): Promise<DigestReply> {
    return this.#ask('digest', { after, limit, fields })
  }

  /** The next `limit` users and tombstones after `after` up to `upTo`, inclusive (null: to the end). */
  versions(after: string, upTo: string | null, limit: number, fields: readonly StateField[]): Promise<VersionsReply> {
    return this.#ask('versions', { after, upTo, limit, fields })
  }

  /** The next `limit` users after an id, with their whole state, tombstones included. */
  page(after: string, limit: number): Promise<PageReply> {
    return this.#ask('page', { after, limit })
  }

  /** Has an event of each of these users published. @returns the number of events */
  async republish(users: { id: string; readVersion: number; remedy: Remedy }[]): Promise<number> {
    const writeDatabase = await this.#followed.current()
    return (await this.#ask('republish', { writeDatabase, users })).published
  }

  /** The users whose events have waited longest to be published. */
  outbox(): Promise<OutboxReply> {
    return this.#ask('outbox', {})
  }

  async #ask<Question extends keyof Replies>(question: Question, request: object): Promise<Replies[Question]> {
    const asked = connectionOf(this.#nats).request(syncSubjects[question], JSON.stringify(request), { timeout: 10_000 })
    const message = await asked.catch((error) => {
      throw new Error('no command-api answered over NATS', { cause: error })
    })
    const answer: unknown = message.json()
    if (!replies[question].Check(answer)) throw new Error('command-api failed to answer; see its log')
    const { writeDatabase } = answer as Replies[Question]
    const followed = await this.#followed.orFirst(writeDatabase)
    if (followed !== writeDatabase) throw new ForeignWriteDatabase(followed, writeDatabase)
    return answer as Replies[Question]
  }
}

type Replies = {
  digest: DigestReply
  versions: VersionsReply
  page: PageReply
  republish: RepublishReply
  outbox: OutboxReply
}

/** Compiled, because a page holds a thousand users. */
const replies = {
  digest: Compile(DigestReply),
  versions: Compile(VersionsReply),
  page: Compile(PageReply),
  republish: Compile(RepublishReply),
  outbox: Compile(OutboxReply),
}
