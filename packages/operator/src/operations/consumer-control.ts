import { usersStream } from '@cqrs/contracts'
import { ConsumerProgress } from '@cqrs/projector'
import { ifExists, pause } from '@cqrs/service-kit'
import type { ConsumerInfo } from '@nats-io/jetstream'

/** Pauses and resumes durable consumers, and waits for them. Every method throws while NATS is unavailable. */
export class ConsumerControl extends ConsumerProgress {
  /** The stream sequence of the last message that was delivered to a consumer. */
  async delivered(durable: string): Promise<number> {
    return (await this.info(durable)).delivered.stream_seq
  }

  /** Waits until every message that was delivered before now is acknowledged. @returns false after `withinMs` */
  async earlierBatchesDone(durable: string, withinMs: number): Promise<boolean> {
    const last = (await this.info(durable)).delivered.stream_seq
    return this.until(durable, withinMs, (info) => info.ack_floor.stream_seq >= last || info.num_ack_pending === 0)
  }

  /**
   * Pauses another consumer until this one has handled all that the other has received, and calls. Afterwards the other
   * one continues in any case, unless it was paused before. One that does not exist receives nothing.
   * @returns false if that takes longer than `withinMs`: nothing was called
   */
  async whenLevel(durable: string, other: string, withinMs: number, call: () => Promise<void>): Promise<boolean> {
    const deadline = performance.now() + withinMs
    const wasPaused = (await ifExists(this.info(other)))?.paused
    try {
      for (;;) {
        const ahead = await this.#paused(other)
        const isLevel = await this.hasHandled(await this.info(durable), ahead?.delivered.stream_seq ?? 0)
        if (isLevel && ahead?.paused !== false) {
          await call()
          return true
        }
        if (performance.now() > deadline) return false
        await pause(50, new AbortController().signal)
      }
    } finally {
      if (!wasPaused) await ifExists(this.resume(other))
    }
  }

  /** Stops delivery to a consumer, by the clock of the server. @returns until when */
  async pause(durable: string, forMs: number): Promise<Date> {
    const { consumers } = await this.manager()
    const { ts = new Date().toISOString() } = await this.info(durable)
    const until = new Date(Date.parse(ts) + forMs)
    await consumers.pause(usersStream.name, durable, until)
    return until
  }

  async resume(durable: string): Promise<void> {
    const { consumers } = await this.manager()
    await consumers.resume(usersStream.name, durable)
  }

  /** Pauses a consumer, again if a projector has put it back, by the clock of the server. */
  async #paused(durable: string): Promise<(ConsumerInfo & { paused: boolean }) | undefined> {
    const before = await ifExists(this.info(durable))
    if (!before) return undefined
    if (!before.paused) await this.pause(durable, longestPauseMs)
    const info = before.paused ? before : await this.info(durable)
    return { ...info, paused: info.paused ?? false }
  }
}

/** In case this process dies. */
const longestPauseMs = 30_000
