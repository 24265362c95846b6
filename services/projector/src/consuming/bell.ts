/** Lets loops sleep until there is something to do for them. It is rung for each message, so that must cost next to nothing. */
export class Bell {
  readonly #listeners = new Set<() => void>()

  /** Wakes everyone who listens. */
  ring(): void {
    for (const wake of this.#listeners) wake()
  }

  /** Waits for the next ring, and no longer than this. */
  heard(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#listeners.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, withinMs)
      this.#listeners.add(wake)
    })
  }
}
