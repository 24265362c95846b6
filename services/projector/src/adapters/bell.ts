import { pause } from '@cqrs/service-kit'

/** Lets loops sleep until there is something to do for them. */
export class Bell {
  #next = new AbortController()

  /** Wakes everyone who listens. */
  ring(): void {
    this.#next.abort()
    this.#next = new AbortController()
  }

  /** Waits for the next ring, and no longer than this. */
  heard(withinMs: number): Promise<void> {
    return pause(withinMs, this.#next.signal)
  }
}
