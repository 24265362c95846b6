import { setTimeout as delay } from 'node:timers/promises'
import { Counter, Gauge, type Lease, type Logger, pause } from '@cqrs/service-kit'
import type { Shapes } from '../read-store/shapes.ts'
import { compareSides, differing } from './compare.ts'
import type { Comparison } from './comparison.ts'
import { ForeignWriteDatabase } from './write-side.ts'

/**
 * Background work on one replica at a time: compares each read model with the write side, repairs differences through
 * events, and drops collections that are no longer live.
 */
export class Upkeep {
  readonly #options: Options
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined
  #foreign: Error | undefined

  constructor(options: Options) {
    this.#options = options
    for (const { name } of options.comparisons) failures.inc({ read_model: name }, 0)
  }

  start(): void {
    this.#running = this.#run()
  }

  /** False while command-api answers from another write database than the one that the read models follow. */
  followsWriteSide(): boolean {
    return this.#foreign === undefined
  }

  async close(): Promise<void> {
    this.#closing.abort()
    if (!this.#running) return
    // A round can be abandoned at any point, and may be waiting for consumers that are closing as well.
    await Promise.race([this.#running, delay(500, undefined, { ref: false })])
    await this.#options.lease.release().catch(() => undefined)
  }

  async #run(): Promise<void> {
    const { everyMs, lease, comparisons, shapes, logger } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted) {
      await pause(everyMs * (0.9 + Math.random() * 0.2), signal)
      try {
        if (signal.aborted) return
        if (!(await lease.acquire())) {
          // The replica that holds the lease reports them.
          for (const gauge of [differencesGauge, heldGauge]) gauge.reset()
          this.#note(undefined)
          continue
        }
        await shapes.dropReplaced(replacedForMs)
        await shapes.retire(unwrittenAfterMs)
        let foreign: Error | undefined
        for (const comparison of comparisons)
          if ((await comparison.read.condition()) === 'filled') foreign = (await this.#compare(comparison)) ?? foreign
        this.#note(foreign)
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'cannot look after the read models')
      }
    }
  }

  /** If one read model cannot be compared, the others still are. @returns the error of a foreign write database */
  async #compare(comparison: Comparison): Promise<ForeignWriteDatabase | undefined> {
    const { lease, logger } = this.#options
    const { signal } = this.#closing
    const read_model = comparison.name
    try {
      const compared = await compareSides(comparison, {
        repair: true,
        onPage: async () => {
          signal.throwIfAborted()
          await lease.acquire() // a long round renews the lease
          await pause(20, signal)
        },
      })
      const { counts, sums, published, held } = compared
      for (const [kind, count] of Object.entries(counts)) differencesGauge.set({ read_model, kind }, count)
      differencesGauge.set({ read_model, kind: 'wrong sum' }, Object.keys(sums).length)
      heldGauge.set({ read_model }, held)
      comparedAtGauge.set({ read_model }, Date.now() / 1000)
      const differences = differing(compared)
      if (differences > 0)
        logger.warn({ read_model, differences, published, sums }, 'the read model differed from the write side')
      if (held > 0)
        logger.error(
          { read_model, users: held },
          'the write side does not know so many users that the repair deletes nobody: npm run projector -- verify',
        )
    } catch (error) {
      if (signal.aborted) throw error
      failures.inc({ read_model })
      const isForeign = error instanceof ForeignWriteDatabase
      logger[isForeign ? 'error' : 'warn'](
        { err: error, read_model },
        'cannot compare the read model with the write side',
      )
      if (isForeign) return error
    }
    return undefined
  }

  #note(foreign: Error | undefined): void {
    this.#foreign = foreign
    foreignGauge.set(foreign ? 1 : 0)
  }
}

type Options = {
  everyMs: number
  lease: Lease
  comparisons: Comparison[]
  shapes: Pick<Shapes, 'dropReplaced' | 'retire'>
  logger: Logger
}

const differencesGauge = new Gauge({
  name: 'projector_differences',
  help: 'Users in which the read model differed from the write side when they were last compared',
  labelNames: ['read_model', 'kind'],
})
const heldGauge = new Gauge({
  name: 'projector_deletions_held',
  help: 'Users whom the write side does not know and the repair does not delete by itself, because they are so many',
  labelNames: ['read_model'],
})
const foreignGauge = new Gauge({
  name: 'projector_foreign_write_side',
  help: '1 while command-api answers from another write database than the one that the read models follow',
})
const failures = new Counter({
  name: 'projector_comparison_failures_total',
  help: 'Comparisons of a read model with the write side that failed',
  labelNames: ['read_model'],
})
const comparedAtGauge = new Gauge({
  name: 'projector_compared_timestamp_seconds',
  help: 'When a read model was last compared with the write side',
  labelNames: ['read_model'],
})

/** After a switch a query-api may read the old collection for 30 s more; it is written for twice as long. */
const unwrittenAfterMs = 60_000

/** A week, in which an operator can roll back a change of shape. */
const replacedForMs = 7 * 24 * 3_600_000
