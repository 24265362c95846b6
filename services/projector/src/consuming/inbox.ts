import { parseUserEvent, UnreadableEvent, type UserEvent } from '@cqrs/contracts'
import type { JsMsg } from '@nats-io/jetstream'

/** A message that was delivered and not yet settled. */
export type HeldMessage = {
  message: JsMsg
  content: UserEvent | UnreadableEvent
  /** How often handling has failed, and when it is due again (milliseconds since the epoch). */
  failures: number
  dueAt: number
}

/** The messages that a consumer holds. Loops sleep on it until something changes. */
export class Inbox {
  readonly held = new Set<HeldMessage>()
  readonly #sleepers = new Set<() => void>()

  /** Whether a message is held that could not be handled so far. */
  get hasFailed(): boolean {
    return [...this.held].some(({ failures }) => failures > 0)
  }

  add(message: JsMsg): HeldMessage {
    const held = { message, content: read(message), failures: 0, dueAt: 0 }
    this.held.add(held)
    this.wake()
    return held
  }

  /** Makes a message due again after 100 ms, 200 ms, 400 ms, … up to 5 s. */
  postpone(held: HeldMessage): void {
    held.failures += 1
    held.dueAt = Date.now() + Math.min(100 * 2 ** (held.failures - 1), maxBackOffMs)
  }

  /** The messages to handle now, the oldest first. */
  due(atMost: number): HeldMessage[] {
    const now = Date.now()
    return [...this.held].filter(({ dueAt }) => dueAt <= now).slice(0, atMost)
  }

  /** Sleeps until a message is due or `wake` is called. */
  nextDue(): Promise<void> {
    const now = Date.now()
    return this.sleep(Math.min(maxBackOffMs, ...[...this.held].map(({ dueAt }) => dueAt - now)))
  }

  /** Sleeps until `wake` is called, at most this long. */
  sleep(atMostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#sleepers.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, atMostMs)
      this.#sleepers.add(wake)
    })
  }

  /** Ends every sleep. It is called for each message, so it must cost next to nothing. */
  wake(): void {
    for (const wake of this.#sleepers) wake()
  }
}

function read(message: JsMsg): UserEvent | UnreadableEvent {
  try {
    return parseUserEvent(message.data)
  } catch (error) {
    if (error instanceof UnreadableEvent) return error
    throw error
  }
}

const maxBackOffMs = 5_000
