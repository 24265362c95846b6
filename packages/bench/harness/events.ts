import { randomUUIDv7 } from 'node:crypto'
import { subjectOf, type UserEvent, usersStream } from '@cqrs/contracts'
import { ensureStream } from '@cqrs/service-kit'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { userCreated } from './users.ts'

/** `count` registrations. `publishAll` puts them on the subject of changes, so that no welcome e-mail is sent. */
export const registrationEvents = (count: number): UserEvent[] =>
  Array.from({ length: count }, (_, n) => userCreated(n))

/** One change of each of these users. */
export const changesOf = (events: UserEvent[]): UserEvent[] =>
  events.map((event) => {
    if (!('user' in event.data)) return event
    const user = { ...event.data.user, name: `${event.data.user.name} II`, updatedAt: new Date().toISOString() }
    const data = { ...event.data, user, changed: ['name'] }
    return { ...event, id: randomUUIDv7(), type: 'UserUpdated', version: event.version + 1, data } as UserEvent
  })

/** Empties the stream and fills it with these events. */
export async function publishAll(nats: NatsConnection, events: UserEvent[]): Promise<void> {
  await ensureStream(nats, usersStream, 1)
  const { streams } = await jetstreamManager(nats)
  await streams.purge(usersStream.name)
  const stream = jetstream(nats, { timeout: 30_000 })
  for (let from = 0; from < events.length; from += 1_000) {
    await Promise.all(
      events
        .slice(from, from + 1_000)
        .map((event) => stream.publish(subjectOf(event).replace(/created$/, 'updated'), JSON.stringify(event))),
    )
  }
}

/** The number of messages that a consumer has not acknowledged yet. */
export async function behind(nats: NatsConnection, consumer: string): Promise<number> {
  const manager = await jetstreamManager(nats, { checkAPI: false })
  const info = await manager.consumers.info(usersStream.name, consumer)
  return info.num_pending + info.num_ack_pending
}
