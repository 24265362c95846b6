import closeWithGrace from 'close-with-grace'
import type { Logger } from './logger.ts'

/** How long a process takes at most to finish what it has begun. Whoever stops it by force has to wait longer. */
export const closeWithinMs = 10_000

/**
 * On SIGTERM, SIGINT or an uncaught error: closes the parts one after the other, in the order given, then exits.
 * Requests and messages under way are finished; after `withinMs` the process ends all the same.
 */
export function closeOnSignal(logger: Logger, parts: { close(): Promise<unknown> }[], withinMs = closeWithinMs): void {
  closeWithGrace({ delay: withinMs, logger }, async ({ err, signal }) => {
    if (err) logger.error({ err }, 'closing after an error')
    else logger.info({ signal }, 'closing')
    for (const part of parts) await part.close()
  })
}
