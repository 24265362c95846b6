import { aboutEvent, UnreadableEvent } from '@cqrs/contracts'
import type { Logger, NatsLink } from '@cqrs/service-kit'
import { addDeadLetter, deleteLetterOf } from './dead-letters.ts'
import { PermanentFailure } from './failures.ts'
import type { HeldMessage } from './inbox.ts'
import * as metrics from './metrics.ts'

/**
 * Reports the outcome of handling a message to the server: acknowledged, to be redelivered to a newer process, or, once
 * it is stored as a dead letter, terminated.
 * @returns whether it was handled
 * @throws the error of handling it, or of publishing the dead letter, when the message must be kept and retried
 */
export async function settle(
  { message, content }: Pick<HeldMessage, 'message' | 'content'>,
  handled: Promise<unknown>,
  { nats, logger }: { nats: NatsLink; logger: Logger },
): Promise<boolean> {
  try {
    await handled
    await deleteLetterOf(message, nats)
    message.ack()
    return true
  } catch (error) {
    if (isNewer(error)) {
      metrics.newerEvents.inc({ consumer: message.info.consumer })
      message.nak(redeliveryDelayMs(message.info.deliveryCount))
      return false
    }
    if (!(error instanceof UnreadableEvent || error instanceof PermanentFailure)) throw error
    const { consumer, streamSequence } = message.info
    await addDeadLetter(nats, { consumer, streamSequence, subject: message.subject, data: message.data }, error)
    message.term(error.reason)
    const event = content instanceof UnreadableEvent ? undefined : aboutEvent(content)
    const about = { ...event, reason: error.reason, stream_sequence: message.seq }
    logger.error(about, 'message moved to the dead-letter stream')
    return false
  }
}

/** Whether only a newer process can read it: during a rolling update, one receives it soon. */
export const isNewer = (error: unknown): boolean =>
  error instanceof UnreadableEvent && error.reason === 'newer-schema-version'

/** 1 s after the first delivery, doubled for each further one, up to a minute. */
const redeliveryDelayMs = (deliveries: number): number => Math.min(1_000 * 2 ** (deliveries - 1), maxRedeliveryMs)
export const maxRedeliveryMs = 60_000
