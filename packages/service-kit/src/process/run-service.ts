import { collectDefaultMetrics, type Logger, stopTracing } from '@cqrs/telemetry'
import closeWithGrace from 'close-with-grace'
import { exitOnOperatorError } from './config.ts'

/** A process as its wiring returns it: every part exists, nothing is connected yet. */
export type Service = {
  logger: Logger
  /** Connects, starts the loops and listens. */
  start(): Promise<void>
  /** Finishes the requests and messages in progress and stops every part; also before `start` was called. */
  close(): Promise<void>
}

/** The time in which a process finishes its work when it is stopped. A supervisor must wait longer before it kills. */
export const closeWithinMs = 10_000

/**
 * Runs a service for the life of the process: creates and starts it, and closes it on SIGTERM, SIGINT or an uncaught
 * error. The process exits after `withinMs` even if `close` has not returned.
 *
 * An error that an operator can fix (a wrong key file, a port in use) ends the process with one line and exit code 1; a
 * program error keeps its stack.
 */
export async function runService(create: () => Promise<Service>, withinMs = closeWithinMs): Promise<void> {
  try {
    // Here and not in the services: a process that creates several of them can register Node's metrics only once.
    collectDefaultMetrics()
    const service = await create()
    await service.start()
    const { logger } = service
    closeWithGrace({ delay: withinMs, logger }, async ({ err, signal }) => {
      if (err) logger.error({ err }, 'closing after an error')
      else logger.info({ signal }, 'closing')
      await service.close()
      await stopTracing()
    })
  } catch (error) {
    exitOnOperatorError(error)
  }
}
