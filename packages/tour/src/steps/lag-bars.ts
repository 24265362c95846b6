import { bar } from '../kit.ts'
import type { System } from '../system.ts'

/** A bar for the lag of each consumer, as long as it is of the highest lag so far. */
export class LagBars {
  highest = 0
  readonly #system: System

  constructor(system: System) {
    this.#system = system
  }

  async lines(): Promise<string[]> {
    const lags = await this.#system.lags()
    this.highest = Math.max(this.highest, ...lags.values())
    return [...lags].map(([consumer, lag]) => bar(consumer, lag, Math.max(this.highest, 10)))
  }
}
