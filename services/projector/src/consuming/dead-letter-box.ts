import { deadLetterStream } from '@cqrs/contracts'
import type { NatsLink } from '@cqrs/service-kit'
import { type JetStreamManager, jetstreamManager, type StoredMsg } from '@nats-io/jetstream'

/** A message that was set aside, as an operator sees it. */
export type DeadLetter = {
  /** Its number in the dead-letter stream. */
  seq: number
  time: string
  reason: string
  detail: string
  consumer: string
  originalSubject: string
  originalSeq: number
  data: Uint8Array
}

/** Lists, replays and drops dead letters, on a running system. */
export class DeadLetterBox {
  readonly #manager: JetStreamManager

  private constructor(manager: JetStreamManager) {
    this.#manager = manager
  }

  /** @throws while the server is away */
  static async open(nats: NatsLink): Promise<DeadLetterBox> {
    const connection = nats.connection()
    if (!connection) throw new Error('NATS is away')
    return new DeadLetterBox(await jetstreamManager(connection))
  }

  /** Every letter that is there now, the oldest first, and none that comes meanwhile. */
  async *list(): AsyncGenerator<DeadLetter> {
    const { state } = await this.#manager.streams.info(deadLetterStream.name)
    for (let from = 1; from <= state.last_seq; ) {
      // Over the gaps: a stream from which much was dropped is mostly gaps.
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
   * Sends the original once more, to every consumer of its subject, and takes the letter away. It has a message id of
   * its own: with the first one's the stream would take it for a duplicate. Letters of several consumers about the same
   * original share it, so that it is sent once for all of them. What still cannot be handled comes back as a new letter.
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
