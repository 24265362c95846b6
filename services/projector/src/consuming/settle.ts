import { UnreadableEvent } from '@cqrs/contracts'
import type { Logger, NatsLink } from '@cqrs/service-kit'
import type { JsMsg } from '@nats-io/jetstream'
import { addDeadLetter } from './dead-letters.ts'
import { PermanentFailure, TryLater } from './failures.ts'
import * as metrics from './metrics.ts'

/**
 * Reports the outcome of handling a message to the server: acknowledged, to be redelivered later, or, once it is stored
 * as a dead letter, terminated.
 * @returns whether it was handled
 * @throws the error of handling it, or of publishing the dead letter, when the message must be kept and retried
 */
export async function settle(
  message: JsMsg,
  handled: Promise<unknown>,
  { nats, logger }: { nats: NatsLink; logger: Logger },
): Promise<boolean> {
  try {
    await handled
    message.ack()
    return true
  } catch (error) {
    if (error instanceof TryLater) {
      message.nak(redeliveryDelayMs(message.info.deliveryCount))
      return false
    }
    if (!(error instanceof UnreadableEvent || error instanceof PermanentFailure)) throw error
    await addDeadLetter(nats, message, error.reason, error.message)
    message.term(error.reason)
    metrics.deadLetters.inc({ consumer: message.info.consumer, reason: error.reason })
    logger.error({ reason: error.reason, stream_sequence: message.seq }, 'message moved to the dead-letter stream')
    return false
  }
}

/** 1 s after the first delivery, doubled for each further one, up to 5 minutes. */
const redeliveryDelayMs = (deliveries: number): number => Math.min(1_000 * 2 ** (deliveries - 1), 300_000)
