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

  /** Waits until a consumer has handled all that another has received by now. @returns false after `withinMs` */
  async hasHandledAsMuch(durable: string, other: string, withinMs: number): Promise<boolean> {
    const received = await this.#received(other)
    const isDone = (info: ConsumerInfo) => info.ack_floor.stream_seq >= received || outstanding(info) === 0
    return await this.#until(durable, withinMs, isDone)
  }

  /** Pauses the delivery to a consumer, if it exists, while a call runs that takes at most `withinMs`. */
  async whilePaused(durable: string, call: (withinMs: number) => Promise<void>): Promise<void> {
    const { consumers } = await this.#manager()
    const until = new Date(Date.now() + longestPauseMs + 5_000)
    const isPaused = await consumers.pause(usersStream.name, durable, until).then(
      () => true,
      (error) => {
        if (isUnknownConsumer(error)) return false
        throw error
      },
    )
    try {
      await call(longestPauseMs)
    } finally {
      if (isPaused) await consumers.resume(usersStream.name, durable)
    }
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

  /** The last message of the stream that was delivered to a consumer; none to one that does not exist. */
  async #received(durable: string): Promise<number> {
    try {
      return (await this.#info(durable)).delivered.stream_seq
    } catch (error) {
      if (isUnknownConsumer(error)) return 0
      throw error
    }
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

/** By the clock of the server that pauses, which may be wrong: the call resumes in any case. */
const longestPauseMs = 10_000

const outstanding = ({ num_pending, num_ack_pending }: ConsumerInfo): number => num_pending + num_ack_pending
