import { deadLetterStream } from '@cqrs/contracts'
import type { NatsLink } from '@cqrs/service-kit'
import { type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'

/**
 * Publishes a message as a dead letter on `users_dlq.<consumer>.<user id>`: its original bytes, so that it can be
 * replayed, with reason and origin as headers.
 * @throws while NATS is unavailable, or when the letter was not stored: the message must not be terminated then
 */
export async function addDeadLetter(nats: NatsLink, message: JsMsg, reason: string, detail: string): Promise<void> {
  const connection = nats.connection()
  if (!connection) throw new Error('NATS is unavailable')
  const { consumer, streamSequence } = message.info
  const about = headers()
  about.set('reason', reason)
  about.set('detail', oneLine(detail))
  about.set('consumer', consumer)
  about.set('stream-sequence', String(streamSequence))
  about.set('original-subject', message.subject)
  about.set('time', new Date().toISOString())
  // After a crash before the original is terminated it is delivered again; the stream drops the second letter.
  const msgID = `${consumer}:${streamSequence}`
  await jetstream(connection).publish(`users_dlq.${consumer}.${userIdIn(message.subject)}`, message.data, {
    headers: about,
    msgID,
  })
}

/** Deletes all dead letters of a user: they hold personal data. @throws while NATS is unavailable */
export async function eraseDeadLetters(nats: NatsLink, userId: string): Promise<void> {
  const connection = nats.connection()
  if (!connection) throw new Error('NATS is unavailable')
  const { streams } = await jetstreamManager(connection, { checkAPI: false })
  await streams.purge(deadLetterStream.name, { filter: `users_dlq.*.${userId}` })
}

/** From the subject `users.<userId>.<verb>`, because the content may be unreadable. */
const userIdIn = (subject: string): string => subject.split('.')[1] ?? 'unknown'

/** Headers cannot hold line breaks, which a detail may have that quotes a server's response. */
const oneLine = (text: string): string => text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, 1_000)
