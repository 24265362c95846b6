import { usersStream } from '@cqrs/contracts'
import { connectionOf, type NatsLink, nextMessage, pause } from '@cqrs/service-kit'
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

  /** The stream sequence of the first message that waits to be delivered to a consumer, undefined if none does. */
  async waiting(durable: string): Promise<number | undefined> {
    const info = await this.info(durable)
    return (await this.#next(info, info.delivered.stream_seq))?.seq
  }

  /**
   * Asks the leader of a consumer for which something waits to step down, if it reports that nothing does: it lacks
   * what the stream has, for minutes at best. Without a cluster the server refuses, and nothing changes.
   * @returns whether it asked
   */
  async changeLeader(durable: string): Promise<boolean> {
    if ((await this.info(durable)).num_pending > 0) return false
    await connectionOf(this.#nats).request(`$JS.API.CONSUMER.LEADER.STEPDOWN.${usersStream.name}.${durable}`)
    return true
  }

  /** Waits until a consumer has acknowledged everything that is in the stream now. @returns false after `withinMs` */
  async hasCaughtUp(durable: string, withinMs: number): Promise<boolean> {
    const last = await this.#lastSequence()
    return this.until(durable, withinMs, (info) => this.hasHandled(info, last))
  }

  /** Whether a consumer has acknowledged every message up to this one. */
  protected async hasHandled(info: ConsumerInfo, upTo: number): Promise<boolean> {
    const { stream_seq: floor } = info.ack_floor
    return floor >= upTo || ((await this.#next(info, floor))?.seq ?? Number.POSITIVE_INFINITY) > upTo
  }

  protected async until(
    durable: string,
    withinMs: number,
    condition: (info: ConsumerInfo) => boolean | Promise<boolean>,
  ): Promise<boolean> {
    const deadline = Date.now() + withinMs
    while (!(await condition(await this.info(durable)))) {
      if (Date.now() > deadline) return false
      await pause(50, new AbortController().signal)
    }
    return true
  }

  protected async info(durable: string): Promise<ConsumerInfo> {
    return (await this.manager()).consumers.info(usersStream.name, durable)
  }

  async #next(info: ConsumerInfo, afterSeq: number) {
    return nextMessage((await this.manager()).streams, info, afterSeq)
  }

  async #lastSequence(): Promise<number> {
    const { state } = await (await this.manager()).streams.info(usersStream.name)
    return state.last_seq
  }

  protected async manager() {
    return jetstreamManager(connectionOf(this.#nats), { checkAPI: false })
  }
}
