import { deadLetterStream } from '@cqrs/contracts'
import type { NatsLink } from '@cqrs/service-kit'
import { type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'

/**
 * Publishes a message as a dead letter: on `users_dlq.<consumer>.<user's id>`, with its bytes as they came, so that it can be
 * replayed, and with what an operator wants to know as headers.
 * @throws while the server is away or has not stored it; then the message must stay where it is
 */
export async function addDeadLetter(nats: NatsLink, message: JsMsg, reason: string, detail: string): Promise<void> {
  const connection = nats.connection()
  if (!connection) throw new Error('NATS is away')
  const { consumer, streamSequence } = message.info
  const about = headers()
  about.set('reason', reason)
  about.set('detail', oneLine(detail))
  about.set('consumer', consumer)
  about.set('stream-sequence', String(streamSequence))
  about.set('original-subject', message.subject)
  about.set('time', new Date().toISOString())
  // A crash before the original is terminated brings it again: the same letter must not be kept twice.
  const msgID = `${consumer}:${streamSequence}`
  await jetstream(connection).publish(`users_dlq.${consumer}.${userIdIn(message.subject)}`, message.data, {
    headers: about,
    msgID,
  })
}

/** Takes away what was set aside of a user: it holds personal data. @throws while the server is away */
export async function eraseDeadLetters(nats: NatsLink, userId: string): Promise<void> {
  const connection = nats.connection()
  if (!connection) throw new Error('NATS is away')
  const { streams } = await jetstreamManager(connection, { checkAPI: false })
  await streams.purge(deadLetterStream.name, { filter: `users_dlq.*.${userId}` })
}

/** The subjects of the stream are `users.<userId>.<verb>`, whatever the message holds. */
const userIdIn = (subject: string): string => subject.split('.')[1] ?? 'unknown'

/** Headers cannot hold line breaks, and a detail can quote a server's answer. */
const oneLine = (text: string): string => text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, 1_000)
