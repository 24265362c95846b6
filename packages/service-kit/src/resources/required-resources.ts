import type { Check } from '../http/health.ts'
import { isStorageUnavailable } from '../mongo/client.ts'
import type { Logger } from '../process/logger.ts'
import { pause } from '../process/pause.ts'

/**
 * What must have been made, by `migrate`, before a process can work. It is looked for until all of it is there, so that
 * nobody has to start the process again, and the log says once what is missing.
 */
export class RequiredResources {
  readonly #options: Options
  readonly #closing = new AbortController()
  #missing: readonly string[] | undefined
  #wasComplete = false
  #isUnknown = false
  #looking: Promise<void> | undefined

  constructor(options: Options) {
    this.#options = options
  }

  /** Begins to look, in the background. */
  start(): void {
    void this.#keepLooking()
  }

  /** Whether everything was there when it was last looked for. */
  isComplete(): boolean {
    return this.#missing?.length === 0
  }

  /** The same, looked up anew where it was not. */
  async confirm(): Promise<boolean> {
    if (!this.isComplete()) await this.look()
    return this.isComplete()
  }

  /** What was missing then, as `index users.email`; empty too before the first look. */
  missing(): readonly string[] {
    return this.#missing ?? []
  }

  /** As a check of `/readyz`. */
  check({ required }: { required: boolean }): Check {
    return { required, isUp: () => this.confirm(), missing: () => this.missing() }
  }

  /** Looks now: what should hold it has just come (back). */
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
        logger.warn({ missing: found }, 'what was there is gone, and is put back')
        await putBack()
        return this.#note([])
      }
      this.#note(found)
    } catch (error) {
      // What is missing is not known any better than before. That a database is away, /readyz says.
      if (!this.#isUnknown && !isStorageUnavailable(error))
        logger.warn({ err: error }, 'the set-up cannot be looked at')
      this.#isUnknown = true
    }
  }

  #note(found: readonly string[]): void {
    const { logger } = this.#options
    const before = this.#missing ?? []
    this.#isUnknown = false
    if (found.length > 0 && found.join() !== before.join())
      logger.error({ missing: found }, 'the set-up is not complete: run `node dist/migrate.js`')
    if (found.length === 0 && before.length > 0) logger.info('the set-up is complete')
    this.#missing = found
    this.#wasComplete ||= found.length === 0
  }
}

type Options = {
  /** What is missing now; undefined while that cannot be told. */
  missing: () => Promise<string[] | undefined>
  /**
   * Makes again what has gone while the process ran: a broker has lost its data. Where it is given, it is looked for as
   * long as the process runs; without it, until it was there once.
   */
  putBack?: () => Promise<void>
  logger: Logger
}

const whileMissingMs = 500
const whileCompleteMs = 5_000
