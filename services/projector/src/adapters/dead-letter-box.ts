import { randomUUID } from 'node:crypto'
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

  /** Every letter, the oldest first. */
  async *list(): AsyncGenerator<DeadLetter> {
    const { state } = await this.#manager.streams.info(deadLetterStream.name)
    if (state.messages === 0) return
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const letter = await this.find(seq)
      if (letter) yield letter
    }
  }

  async find(seq: number): Promise<DeadLetter | undefined> {
    const message = await this.#manager.streams.getMessage(deadLetterStream.name, { seq })
    return message ? toLetter(message) : undefined
  }

  /**
   * Sends the original once more, to every consumer of its subject, and takes the letter away. It has a message id of
   * its own: with the first one's the stream would take it for a duplicate. What still cannot be handled comes back as a
   * new letter.
   */
  async replay({ seq, originalSubject, data }: DeadLetter): Promise<void> {
    const msgID = `replay:${seq}:${randomUUID()}`
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
