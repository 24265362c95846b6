import { usersStream } from '@cqrs/contracts'
import { type NatsLink, pause } from '@cqrs/service-kit'
import { type ConsumerInfo, jetstreamManager } from '@nats-io/jetstream'

/** The progress of durable consumers, as the server reports it. Every method throws while NATS is unavailable. */
export class ConsumerProgress {
  readonly #nats: NatsLink

  constructor(nats: NatsLink) {
    this.#nats = nats
  }

  /** How many messages of the stream are not delivered to a consumer yet, or not acknowledged. */
  async lag(durable: string): Promise<number> {
    const { num_pending, num_ack_pending } = await this.info(durable)
    return num_pending + num_ack_pending
  }

  /** How many messages were never delivered to a consumer, and the stream sequence of the last that was. */
  async flow(durable: string): Promise<{ waiting: number; delivered: number }> {
    const { num_pending, delivered } = await this.info(durable)
    return { waiting: num_pending, delivered: delivered.stream_seq }
  }

  /** Waits until a consumer has acknowledged everything that is in the stream now. @returns false after `withinMs` */
  async hasCaughtUp(durable: string, withinMs: number): Promise<boolean> {
    const last = await this.#lastSequence()
    return this.until(durable, withinMs, (info) => info.ack_floor.stream_seq >= last || outstanding(info) === 0)
  }

  protected async until(
    durable: string,
    withinMs: number,
    condition: (info: ConsumerInfo) => boolean,
  ): Promise<boolean> {
    const deadline = Date.now() + withinMs
    while (!condition(await this.info(durable))) {
      if (Date.now() > deadline) return false
      await pause(50, new AbortController().signal)
    }
    return true
  }

  protected async info(durable: string): Promise<ConsumerInfo> {
    return (await this.manager()).consumers.info(usersStream.name, durable)
  }

  async #lastSequence(): Promise<number> {
    const { state } = await (await this.manager()).streams.info(usersStream.name)
    return state.last_seq
  }

  protected async manager() {
    const connection = this.#nats.connection()
    if (!connection) throw new Error('NATS is unavailable')
    return jetstreamManager(connection, { checkAPI: false })
  }
}

export const outstanding = ({ num_pending, num_ack_pending }: ConsumerInfo): number => num_pending + num_ack_pending
