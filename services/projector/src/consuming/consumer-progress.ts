import { usersStream } from '@cqrs/contracts'
import { type NatsLink, pause } from '@cqrs/service-kit'
import { type ConsumerInfo, jetstreamManager } from '@nats-io/jetstream'
import { isUnknownConsumer } from './durable-consumer.ts'

/** The progress of durable consumers, as the server reports it. Every method throws while NATS is unavailable. */
export class ConsumerProgress {
  readonly #nats: NatsLink

  constructor(nats: NatsLink) {
    this.#nats = nats
  }

  /** How many messages of the stream are not delivered to a consumer yet, or not acknowledged. */
  async lag(durable: string): Promise<number> {
    const { num_pending, num_ack_pending } = await this.#info(durable)
    return num_pending + num_ack_pending
  }

  /** How many messages were never delivered to a consumer, and the stream sequence of the last that was. */
  async flow(durable: string): Promise<{ waiting: number; delivered: number }> {
    const { num_pending, delivered } = await this.#info(durable)
    return { waiting: num_pending, delivered: delivered.stream_seq }
  }

  /** Waits until a consumer has acknowledged everything that is in the stream now. @returns false after `withinMs` */
  async hasCaughtUp(durable: string, withinMs: number): Promise<boolean> {
    const last = await this.#lastSequence()
    return this.#until(durable, withinMs, (info) => info.ack_floor.stream_seq >= last || outstanding(info) === 0)
  }

  /** Waits until every message that was delivered before now is acknowledged. @returns false after `withinMs` */
  async earlierBatchesDone(durable: string, withinMs: number): Promise<boolean> {
    const last = (await this.#info(durable)).delivered.stream_seq
    return this.#until(durable, withinMs, (info) => info.ack_floor.stream_seq >= last || info.num_ack_pending === 0)
  }

  /**
   * Pauses another consumer until this one has handled all that the other has received, and calls. Afterwards the other
   * one continues in any case, unless it was paused before. One that does not exist receives nothing.
   * @returns false if that takes longer than `withinMs`: nothing was called
   */
  async whenLevel(durable: string, other: string, withinMs: number, call: () => Promise<void>): Promise<boolean> {
    const deadline = performance.now() + withinMs
    const wasPaused = (await this.#info(other).catch(unlessUnknown))?.paused
    try {
      for (;;) {
        const ahead = await this.#paused(other)
        const info = await this.#info(durable)
        const isLevel = info.ack_floor.stream_seq >= (ahead?.delivered.stream_seq ?? 0) || outstanding(info) === 0
        if (isLevel && ahead?.paused !== false) {
          await call()
          return true
        }
        if (performance.now() > deadline) return false
        await pause(50, new AbortController().signal)
      }
    } finally {
      if (!wasPaused) await this.resume(other).catch(unlessUnknown)
    }
  }

  /** Stops delivery to a consumer, by the clock of the server. @returns until when */
  async pause(durable: string, forMs: number): Promise<Date> {
    const { consumers } = await this.#manager()
    const { ts = new Date().toISOString() } = await this.#info(durable)
    const until = new Date(Date.parse(ts) + forMs)
    await consumers.pause(usersStream.name, durable, until)
    return until
  }

  async resume(durable: string): Promise<void> {
    const { consumers } = await this.#manager()
    await consumers.resume(usersStream.name, durable)
  }

  async #until(durable: string, withinMs: number, condition: (info: ConsumerInfo) => boolean): Promise<boolean> {
    const deadline = Date.now() + withinMs
    while (!condition(await this.#info(durable))) {
      if (Date.now() > deadline) return false
      await pause(50, new AbortController().signal)
    }
    return true
  }

  async #info(durable: string): Promise<ConsumerInfo> {
    return (await this.#manager()).consumers.info(usersStream.name, durable)
  }

  /** Pauses a consumer, again if a projector has put it back, by the clock of the server. */
  async #paused(durable: string): Promise<(ConsumerInfo & { paused: boolean }) | undefined> {
    const before = await this.#info(durable).catch(unlessUnknown)
    if (!before) return undefined
    if (!before.paused) await this.pause(durable, longestPauseMs)
    const info = before.paused ? before : await this.#info(durable)
    return { ...info, paused: info.paused ?? false }
  }

  async #lastSequence(): Promise<number> {
    const { state } = await (await this.#manager()).streams.info(usersStream.name)
    return state.last_seq
  }

  async #manager() {
    const connection = this.#nats.connection()
    if (!connection) throw new Error('NATS is unavailable')
    return jetstreamManager(connection, { checkAPI: false })
  }
}

/** In case this process dies. */
const longestPauseMs = 30_000

function unlessUnknown(error: unknown): undefined {
  if (!isUnknownConsumer(error)) throw error
}

const outstanding = ({ num_pending, num_ack_pending }: ConsumerInfo): number => num_pending + num_ack_pending
