import type { Logger } from '@cqrs/telemetry'
import type { Check } from '../http/health.ts'
import { isRefused, isStorageUnavailable } from '../mongo/client.ts'
import { pause } from '../process/pause.ts'

/**
 * The collections, streams and the like that `migrate` creates and a process needs. They are checked until all of them
 * exist, so that the process need not be restarted; what is missing is logged once.
 */
export class RequiredResources {
  readonly #options: Options
  readonly #closing = new AbortController()
  #missing: readonly string[] | undefined
  #drifted: readonly string[] = []
  #wasComplete = false
  #isUnknown = false
  #looking: Promise<void> | undefined

  constructor(options: Options) {
    this.#options = options
  }

  /** Starts checking. */
  start(): void {
    void this.#keepLooking()
  }

  /** Whether everything existed at the last check. */
  isComplete(): boolean {
    return this.#missing?.length === 0
  }

  /** The same, after another check if it did not. */
  async confirm(): Promise<boolean> {
    if (!this.isComplete()) await this.look()
    return this.isComplete()
  }

  /** What was missing, such as `index users.email`; empty before the first check. */
  missing(): readonly string[] {
    return this.#missing ?? []
  }

  /** What had other settings than it should, such as `consumer USERS.users_read_v1: max_deliver is 3`. */
  drifted(): readonly string[] {
    return this.#drifted
  }

  /** The check for `/readyz`. */
  check({ required }: { required: boolean }): Check {
    return { required, isUp: () => this.confirm(), missing: () => this.missing() }
  }

  /** Checks now, for example because the server has just reconnected. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async close(): Promise<void> {
    this.#closing.abort()
  }

  async #keepLooking(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await this.look()
      if (!this.isComplete()) await pause(whileMissingMs, signal)
      else if (this.#options.putBack) await pause(whileCompleteMs, signal)
      else return
    }
  }

  async #look(): Promise<void> {
    const { missing, putBack, logger } = this.#options
    try {
      const found = await missing()
      if (!found) return
      if (found.length > 0 && this.#wasComplete && putBack) {
        if (found.join() !== this.missing().join())
          logger.warn({ missing: found }, 'streams or consumers disappeared; recreating them')
        await putBack().catch((error) => {
          this.#note(found)
          throw error
        })
        return this.#note([])
      }
      this.#note(found)
      if (found.length === 0) await this.#restore()
    } catch (error) {
      // Keeps the previous result. An unavailable database is reported by /readyz.
      const isReported = isStorageUnavailable(error) && !isRefused(error)
      if (!this.#isUnknown && !isReported) logger.warn({ err: error }, 'cannot check resources')
      this.#isUnknown = true
    }
  }

  /** What the server refuses to change stays noted. */
  async #restore(): Promise<void> {
    const { drifted, putBack, logger } = this.#options
    let found = await drifted?.()
    if (!found) return
    if (found.length > 0) {
      const isNew = found.join() !== this.#drifted.join()
      if (isNew) logger.warn({ drifted: found }, 'streams or consumers were changed; restoring their configuration')
      this.#drifted = found
      const refused = (error: unknown) => isNew && logger.error({ err: error }, 'cannot restore the configuration')
      await putBack?.().catch(refused)
      found = (await drifted?.()) ?? found
      if (found.length === 0) logger.info('streams and consumers have their configuration again')
    }
    this.#drifted = found
  }

  #note(found: readonly string[]): void {
    const { logger } = this.#options
    const before = this.#missing ?? []
    this.#isUnknown = false
    if (found.length > 0 && found.join() !== before.join())
      logger.error({ missing: found }, 'required resources are missing: run `node dist/migrate.js`')
    if (found.length === 0 && before.length > 0) logger.info('all required resources exist')
    this.#missing = found
    this.#wasComplete ||= found.length === 0
  }
}

type Options = {
  /** Lists what is missing; undefined if that is unknown. */
  missing: () => Promise<string[] | undefined>
  /** Lists what has other settings than it should; undefined if that is unknown. */
  drifted?: () => Promise<string[] | undefined>
  /**
   * Recreates what disappears later, as when a broker loses its data, and restores what has drifted. Without it the
   * checks end once all exist.
   */
  putBack?: () => Promise<unknown>
  logger: Logger
}

const whileMissingMs = 500
const whileCompleteMs = 5_000
