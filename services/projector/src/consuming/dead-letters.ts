import { deadLetterStream, letterHeader, originalSubject } from '@cqrs/contracts'
import { connectionOf, type NatsLink } from '@cqrs/service-kit'
import { JetStreamApiError, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import * as metrics from './metrics.ts'

/** A message that a consumer cannot handle; without its sequence if it has left the stream. */
type Original = { consumer: string; subject: string; data: Uint8Array; streamSequence?: number }

/**
 * Publishes a message as a dead letter on `users_dlq.<consumer>.<user id>`: its original bytes, so that it can be
 * replayed, with reason and origin as headers. It replaces the user's earlier letter of this consumer.
 * @throws while NATS is unavailable, or when the letter was not stored: the message must not be terminated then
 */
export async function addDeadLetter(
  nats: NatsLink,
  { consumer, subject: deliveredOn, data, streamSequence = 0 }: Original,
  { reason, message: detail }: { reason: string; message: string },
): Promise<void> {
  const client = jetstream(connectionOf(nats))
  const subject = originalSubject(deliveredOn)
  const about = headers()
  about.set('reason', reason)
  about.set('detail', oneLine(detail))
  about.set('consumer', consumer)
  about.set('stream-sequence', String(streamSequence))
  about.set('original-subject', subject)
  about.set('time', new Date().toISOString())
  // Without a message id: a replay that fails again must not be dropped as a duplicate of the letter that it removes.
  await client.publish(`users_dlq.${consumer}.${userIdIn(subject)}`, data, { headers: about })
  metrics.deadLetters.inc({ consumer, reason })
}

/**
 * Deletes the letter of a replayed message that was handled, unless a newer one has taken its place. Not before: NATS
 * up to 2.14.3 can lose a letter that is stored while the one that it replaces is deleted (nats-server, pull request
 * 8378).
 * @throws while NATS is unavailable
 */
export async function deleteLetterOf({ headers }: JsMsg, nats: NatsLink): Promise<void> {
  const letter = Number(headers?.get(letterHeader))
  if (!letter) return
  const { streams } = await jetstreamManager(connectionOf(nats), { checkAPI: false })
  await streams.deleteMessage(deadLetterStream.name, letter).catch((error) => {
    // JSSequenceNotFoundErrF, JSStreamMsgDeleteFailedF: there is no such message.
    if (!(error instanceof JetStreamApiError && [10_043, 10_057].includes(error.code))) throw error
  })
}

/**
 * How many letters of a consumer lie in the stream. Each has a subject of its own, so the server counts subjects; it
 * lists none of them from this offset on.
 * @throws while NATS is unavailable
 */
export async function countDeadLetters(nats: NatsLink, consumer: string): Promise<number> {
  const query = { subjects_filter: `users_dlq.${consumer}.*`, offset: 2 ** 31 - 1 }
  const subject = `$JS.API.STREAM.INFO.${deadLetterStream.name}`
  const answer = await nats.connection()?.request(subject, JSON.stringify(query))
  const { state, total = 0 } = answer?.json<{ state?: object; total?: number }>() ?? {}
  if (!state) throw new Error('the stream of dead letters is unavailable')
  return total
}

/** From the subject `users.<userId>.<verb>`, because the content may be unreadable. */
const userIdIn = (subject: string): string => subject.split('.')[1] ?? 'unknown'

/** Headers cannot hold line breaks, which a detail may have that quotes a server's response. */
const oneLine = (text: string): string => text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, 1_000)
