import { deadLetterStream, replaySubject, usersStream } from '@cqrs/contracts'
import { ifExists } from '@cqrs/service-kit'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

/**
 * Deletes what the broker has of a deleted user: events, those that are being replayed, and dead letters. The deletion
 * itself stays; it holds no personal data.
 *
 * Events are deleted one by one. A purge of their subjects would be one request, but if a consumer has received one of
 * them and not acknowledged it yet, NATS then counts other users' events as acknowledged (docs/decisions/0023).
 */
export async function eraseHistory(connection: NatsConnection, userId: string): Promise<void> {
  const { streams } = await jetstreamManager(connection, { checkAPI: false })
  const newest = (subject: string) => streams.getMessage(usersStream.name, { last_by_subj: subject })
  const deleteAll = async (subject: string) => {
    for (let event = await newest(subject); event; event = await newest(subject)) {
      const { seq } = event
      await streams.deleteMessage(usersStream.name, seq).catch(async (error) => {
        // It is gone if every consumer has handled it by now.
        if (await streams.getMessage(usersStream.name, { seq })) throw error
      })
    }
  }
  const subjects = [`users.${userId}.created`, `users.${userId}.updated`, replaySubject('*', `users.${userId}.*`)]
  await Promise.all([
    ...subjects.map(deleteAll),
    // The projector creates the stream of dead letters.
    ifExists(streams.purge(deadLetterStream.name, { filter: `users_dlq.*.${userId}` })),
  ])
}
