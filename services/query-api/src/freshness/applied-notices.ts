import { type Applied, type AppliedNotice, appliedSubject, Refusal, readModelShapes, shapeName } from '@cqrs/contracts'
import { type NatsLink, pause } from '@cqrs/service-kit'
import { fairShare } from '../read-store/batches.ts'

/** A wait for versions of users. A notice that arrives between two calls of `noticed` ends the second at once. */
export type Watch = {
  /** Resolves on a notice, after `withinMs`, or when the signal aborts. In each case the caller looks again. */
  noticed(withinMs: number, until: AbortSignal): Promise<void>
  /** Must be called: a watch that has not ended counts towards `maxWatches`. */
  end(): void
}

/**
 * The notices that the projector publishes over core NATS when it has updated users in a read model. A notice is a
 * hint: some are missed, and all of them while NATS is unavailable.
 */
export class AppliedNotices {
  readonly #onApplied: (...applied: Applied) => void
  readonly #watches = new Map<string, Set<{ versions: ReadonlyMap<string, number>; wake: () => void }>>()
  #count = 0
  readonly #share = fairShare(maxWatchesOfOne)

  /** @param onApplied called for each user of a notice about `users_read`, before its watches wake */
  constructor(onApplied: (...applied: Applied) => void = () => {}) {
    this.#onApplied = onApplied
  }

  /** The number of active watches. */
  get count(): number {
    return this.#count
  }

  /** Subscribes to notices; called before the link starts. */
  listen(nats: NatsLink): void {
    nats.subscribe(appliedSubject('*'), (message) => {
      const isUsersRead = ofUsersRead.has(message.subject)
      for (const [id, version, tokensFromVersion] of message.json<AppliedNotice>().applied) {
        if (isUsersRead) this.#onApplied(id, version, tokensFromVersion)
        this.#wake(id, version)
      }
    })
  }

  /**
   * Starts to watch for one of these versions of users, or a higher one, in any read model.
   * @param caller who waits for it
   * @throws Refusal `rate-limited` if this caller has `maxWatchesOfOne` already, `overloaded` if there are `maxWatches`
   */
  watch(versions: ReadonlyMap<string, number>, caller: string): Watch {
    if (this.#count >= maxWatches) throw new Refusal('overloaded')
    const endShare = this.#share(caller)
    let notice = new AbortController()
    let hasEnded = false
    const watch = { versions, wake: () => notice.abort() }
    for (const id of versions.keys()) this.#watches.set(id, (this.#watches.get(id) ?? new Set()).add(watch))
    this.#count++
    return {
      noticed: async (withinMs, until) => {
        await pause(withinMs, AbortSignal.any([notice.signal, until]))
        notice = new AbortController()
      },
      end: () => {
        if (hasEnded) return
        hasEnded = true
        endShare()
        this.#count--
        for (const id of versions.keys()) {
          const ofUser = this.#watches.get(id)
          ofUser?.delete(watch)
          if (ofUser?.size === 0) this.#watches.delete(id)
        }
      },
    }
  }

  #wake(id: string, version: number): void {
    for (const watch of this.#watches.get(id) ?? [])
      if (version >= (watch.versions.get(id) ?? Number.POSITIVE_INFINITY)) watch.wake()
  }
}

const ofUsersRead = new Set(readModelShapes.users_read.map((shape) => appliedSubject(shapeName('users_read', shape))))

/**
 * Per process. While NATS is unavailable each watch polls twice a second with a few reads, which its caller's share
 * bounds.
 */
export const maxWatches = 1_000
export const maxWatchesOfOne = 50
