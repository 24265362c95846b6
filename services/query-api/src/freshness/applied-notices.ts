import { type Applied, type AppliedNotice, appliedSubject, Refusal, usersReadCollection } from '@cqrs/contracts'
import { type Logger, pause } from '@cqrs/service-kit'
import type { NatsConnection } from '@nats-io/transport-node'

/**
 * One user awaited in one version. Notices count from the moment it was begun, also while nobody is in `noticed`: they
 * end the next one at once.
 */
export type Watch = {
  /** Resolves at a notice, after `withinMs`, or at the signal's abort: whatever it was, look again. */
  noticed(withinMs: number, until: AbortSignal): Promise<void>
  /** Must be called, or the watch holds one of the places for ever. */
  end(): void
}

/**
 * What the projector says over plain NATS about users it has brought up to date. A notice is a hint: some are missed,
 * and while NATS is away all of them.
 */
export class AppliedNotices {
  readonly #logger: Logger
  readonly #onApplied: (...applied: Applied) => void
  readonly #watches = new Map<string, Set<{ version: number; wake: () => void }>>()
  #count = 0

  /** @param onApplied called for each user of a notice, before those who wait for it look again */
  constructor(logger: Logger, onApplied: (...applied: Applied) => void = () => {}) {
    this.#logger = logger
    this.#onApplied = onApplied
  }

  /** How many watches there are now. */
  get count(): number {
    return this.#count
  }

  /** Hears the notices of this connection, over its reconnects too: to be called at the first connect only. */
  listen(nats: NatsConnection): void {
    nats.subscribe(appliedSubject(usersReadCollection), {
      callback: (error, message) => {
        try {
          if (error) throw error
          for (const [id, version, tokensFromVersion] of message.json<AppliedNotice>().applied) {
            this.#onApplied(id, version, tokensFromVersion)
            this.#wake(id, version)
          }
        } catch (error) {
          this.#logger.warn({ err: error }, 'notice cannot be read')
        }
      },
    })
  }

  /**
   * Begins to watch for a user in this version or a higher one.
   * @throws Refusal `overloaded` where there are `maxWatches` already
   */
  watch(id: string, version: number): Watch {
    if (this.#count >= maxWatches) throw new Refusal('overloaded')
    let notice = new AbortController()
    const watch = { version, wake: () => notice.abort() }
    const ofUser = this.#watches.get(id) ?? new Set()
    this.#watches.set(id, ofUser.add(watch))
    this.#count++
    return {
      noticed: async (withinMs, until) => {
        await pause(withinMs, AbortSignal.any([notice.signal, until]))
        notice = new AbortController()
      },
      end: () => {
        if (ofUser.delete(watch)) this.#count--
        if (ofUser.size === 0) this.#watches.delete(id)
      },
    }
  }

  #wake(id: string, version: number): void {
    for (const watch of this.#watches.get(id) ?? []) if (watch.version <= version) watch.wake()
  }
}

/**
 * A process. While NATS is away each looks twice a second, and these 2,000 single reads a second are about what the
 * smallest database server (2 cores) gives.
 */
export const maxWatches = 1_000
