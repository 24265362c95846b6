import { setTimeout as delay } from 'node:timers/promises'
import { Gauge, type Lease, type Logger, pause } from '@cqrs/service-kit'
import type { RebuildRecord } from '../read-store/rebuild-record.ts'
import type { Comparison } from './comparison.ts'
import { findDifferences, repairDifferences } from './differences.ts'

/**
 * Background work on one replica at a time: compares each read model with the write side, repairs differences through
 * events, and drops collections that are no longer live.
 */
export class Upkeep {
  readonly #options: Options
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: Options) {
    this.#options = options
  }

  start(): void {
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    if (!this.#running) return
    // A round can be abandoned at any point, and may be waiting for consumers that are closing as well.
    await Promise.race([this.#running, delay(500, undefined, { ref: false })])
    await this.#options.lease.release().catch(() => undefined)
  }

  async #run(): Promise<void> {
    const { everyMs, lease, comparisons, records, logger } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted) {
      await pause(everyMs * (0.9 + Math.random() * 0.2), signal)
      try {
        if (signal.aborted) return
        if (!(await lease.acquire())) {
          differencesGauge.reset() // the replica that holds the lease reports them
          continue
        }
        for (const record of records) await record.retire(unwrittenAfterMs)
        for (const comparison of comparisons) await this.#compare(comparison)
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'cannot compare the read models with the write side')
      }
    }
  }

  async #compare(comparison: Comparison): Promise<void> {
    const { lease, logger } = this.#options
    const differences = await findDifferences(comparison, async () => {
      this.#closing.signal.throwIfAborted()
      await lease.acquire() // a long round renews the lease
      await pause(20, this.#closing.signal)
    })
    const read_model = comparison.name
    for (const kind of ['missing', 'stale', 'orphaned', 'ahead'] as const)
      differencesGauge.set({ read_model, kind }, differences.filter((difference) => difference.kind === kind).length)
    comparedAtGauge.set({ read_model }, Date.now() / 1000)
    if (differences.length === 0) return
    const published = await repairDifferences(comparison, differences)
    logger.warn(
      { read_model, differences: differences.length, published },
      'the read model differed from the write side',
    )
  }
}

type Options = {
  everyMs: number
  lease: Lease
  comparisons: Comparison[]
  records: RebuildRecord[]
  logger: Logger
}

const differencesGauge = new Gauge({
  name: 'projector_differences',
  help: 'Users in which the read model differed from the write side when they were last compared',
  labelNames: ['read_model', 'kind'],
})
const comparedAtGauge = new Gauge({
  name: 'projector_compared_timestamp_seconds',
  help: 'When a read model was last compared with the write side',
  labelNames: ['read_model'],
})

/** After a switch a query-api may read the old collection for 30 s more; it is written for twice as long. */
const unwrittenAfterMs = 60_000
