import { deadLetterStream, letterHeader, replaySubject } from '@cqrs/contracts'
import { connectionOf, type NatsLink } from '@cqrs/service-kit'
import { type JetStreamManager, jetstreamManager, type StoredMsg } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'

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
    return new DeadLetterBox(await jetstreamManager(connectionOf(nats), { checkAPI: false }))
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
   * Publishes the original again, to the consumer that could not handle it. The letter leaves when the consumer has
   * handled it; if it still cannot, a new letter takes its place. So a replay that NATS loses can be repeated.
   */
  async replay({ seq, consumer, originalSubject, data }: DeadLetter): Promise<void> {
    const about = headers()
    about.set(letterHeader, String(seq))
    await this.#manager.jetstream().publish(replaySubject(consumer, originalSubject), data, { headers: about })
  }

  /** Does nothing if the letter no longer exists: a new one of the same user may have replaced it at any moment. */
  async drop(seq: number): Promise<void> {
    const { name } = deadLetterStream
    const { streams } = this.#manager
    await streams.deleteMessage(name, seq).catch(async (error) => {
      if (await streams.getMessage(name, { seq })) throw error
    })
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
