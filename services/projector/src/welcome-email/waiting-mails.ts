import { gauges, type Logger, type Measured, pause } from '@cqrs/service-kit'
import type { WelcomeEmail } from './welcome-email.ts'
import type { WelcomeEmailRecord } from './welcome-email-record.ts'

/** Sends the welcome e-mails that wait for another attempt, in every replica: each mail is claimed first. */
export class WaitingMails {
  readonly #options: Options
  readonly #closing = new AbortController()
  readonly #measured: Measured
  #running: Promise<void> | undefined

  constructor(options: Options) {
    this.#options = options
    this.#measured = measureMails(options.record)
  }

  start(): void {
    this.#running = this.#run()
    this.#measured.start()
  }

  /** Returns when no mail is being sent. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#measured.close()
    await this.#running
  }

  async #run(): Promise<void> {
    const { sendDue, logger } = this.#options
    let hasFailed = false
    while (!this.#closing.signal.aborted) {
      try {
        const tried = await sendDue()
        hasFailed = false
        if (tried > 0) continue
      } catch (error) {
        if (!hasFailed && !this.#closing.signal.aborted)
          logger.warn({ err: error }, 'cannot send the welcome e-mails that wait; retrying')
        hasFailed = true
      }
      await pause(lookEveryMs, this.#closing.signal)
    }
  }
}

type Options = {
  sendDue: WelcomeEmail['sendDue']
  record: Pick<WelcomeEmailRecord, 'unfinished'>
  logger: Logger
}

const lookEveryMs = 1_000

const measureMails = gauges(
  { projector_waiting_mails: 'Welcome e-mails that are not sent yet and wait for another attempt' },
  async (record: Options['record']) => ({ projector_waiting_mails: await record.unfinished() }),
)
