import { setTimeout as delay } from 'node:timers/promises'
import { type Lease, type Logger, pause } from '@cqrs/service-kit'
import * as metrics from '../consuming/metrics.ts'
import type { Rebuilds } from '../read-store/rebuild-state.ts'
import { findDifferences, repair, type Sides } from './find-differences.ts'

/**
 * What goes on slowly beside the events, on one replica at a time: each read model is compared with the write side, and
 * what differs is repaired through events, so that nobody has to look; collections that were live once are dropped.
 */
export class Upkeep {
  readonly #parts: Parts
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  start(): void {
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    if (!this.#running) return
    // Whatever it is at can be left at any point, and may be waiting for consumers that are closing, too.
    await Promise.race([this.#running, delay(500, undefined, { ref: false })])
    await this.#parts.lease.release().catch(() => undefined)
  }

  async #run(): Promise<void> {
    const { everyMs, lease, readModels, logger } = this.#parts
    while (!this.#isClosing()) {
      await pause(everyMs * (0.9 + Math.random() * 0.2), this.#closing.signal)
      try {
        if (this.#isClosing()) return
        if (!(await lease.acquire())) {
          metrics.differences.reset() // the replica that compares now knows better
          continue
        }
        for (const readModel of readModels) await this.#lookAfter(readModel)
      } catch (error) {
        if (!this.#isClosing()) logger.warn({ err: error }, 'read models cannot be compared with the write side now')
      }
    }
  }

  async #lookAfter({ name, sides }: LookedAfter): Promise<void> {
    const { rebuilds, drop, lease, logger } = this.#parts
    await rebuilds.retire(name, unwrittenAfterMs, drop)
    const found = await findDifferences(sides, async () => {
      if (this.#isClosing()) throw new Error('closing')
      await lease.acquire() // so that it does not run out meanwhile
      await pause(20, this.#closing.signal)
    })
    for (const kind of ['missing', 'stale', 'orphaned', 'ahead'] as const) {
      metrics.differences.set({ read_model: name, kind }, found.filter((difference) => difference.kind === kind).length)
    }
    metrics.comparedAt.set({ read_model: name }, Date.now() / 1000)
    if (found.length === 0) return
    const published = await repair(sides, found)
    logger.warn(
      { read_model: name, differences: found.length, published },
      'the read model differed from the write side',
    )
  }

  #isClosing(): boolean {
    return this.#closing.signal.aborted
  }
}

type LookedAfter = { name: string; sides: Sides }

type Parts = {
  everyMs: number
  lease: Lease
  readModels: LookedAfter[]
  rebuilds: Rebuilds
  drop: (collection: string) => Promise<unknown>
  logger: Logger
}

/** After a switch a query-api may read the old collection for 30 s more; it is written for twice as long. */
const unwrittenAfterMs = 60_000
