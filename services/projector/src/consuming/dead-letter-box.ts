import { deadLetterStream } from '@cqrs/contracts'
import type { NatsLink } from '@cqrs/service-kit'
import { type JetStreamManager, jetstreamManager, type StoredMsg } from '@nats-io/jetstream'

/** A message that could not be handled, as an operator sees it. */
export type DeadLetter = {
  /** Its sequence in the dead-letter stream. */
  seq: number
  time: string
  reason: string
  detail: string
  consumer: string
  originalSubject: string
  originalSeq: number
  data: Uint8Array
}

/** Lists, replays and drops dead letters of a running system. */
export class DeadLetterBox {
  readonly #manager: JetStreamManager

  private constructor(manager: JetStreamManager) {
    this.#manager = manager
  }

  /** @throws while NATS is unavailable */
  static async open(nats: NatsLink): Promise<DeadLetterBox> {
    const connection = nats.connection()
    if (!connection) throw new Error('NATS is unavailable')
    return new DeadLetterBox(await jetstreamManager(connection))
  }

  /** Every letter that exists when it is called, the oldest first. */
  async *list(): AsyncGenerator<DeadLetter> {
    const { state } = await this.#manager.streams.info(deadLetterStream.name)
    for (let from = 1; from <= state.last_seq; ) {
      // The next that exists: deleted letters leave gaps.
      const next = { seq: from, next_by_subj: '>' }
      const message = await this.#manager.streams.getMessage(deadLetterStream.name, next)
      if (!message || message.seq > state.last_seq) return
      yield toLetter(message)
      from = message.seq + 1
    }
  }

  async find(seq: number): Promise<DeadLetter | undefined> {
    const message = await this.#manager.streams.getMessage(deadLetterStream.name, { seq })
    return message ? toLetter(message) : undefined
  }

  /**
   * Publishes the original again, to every consumer of its subject, and deletes the letter. A message that still cannot
   * be handled becomes a new letter. The message id is new, since the stream drops a second message with the
   * original's; letters of several consumers about one original share it, so that the original is published once.
   */
  async replay({ seq, originalSubject, originalSeq, data }: DeadLetter): Promise<void> {
    const msgID = `replay:${originalSeq}`
    await this.#manager.jetstream().publish(originalSubject, data, { msgID })
    await this.drop(seq)
  }

  async drop(seq: number): Promise<void> {
    await this.#manager.streams.deleteMessage(deadLetterStream.name, seq)
  }
}

function toLetter({ seq, time, header, data }: StoredMsg): DeadLetter {
  return {
    seq,
    time: header.get('time') || time.toISOString(),
    reason: header.get('reason'),
    detail: header.get('detail'),
    consumer: header.get('consumer'),
    originalSubject: header.get('original-subject'),
    originalSeq: Number(header.get('stream-sequence')),
    data,
  }
}
