import { randomUUIDv7 } from 'node:crypto'
import {
  PageRequest,
  RangeRequest,
  type RepublishReply,
  RepublishRequest,
  syncSubjects,
  type UserEvent,
} from '@cqrs/contracts'
import type { Logger, NatsLink } from '@cqrs/service-kit'
import type { Msg } from '@nats-io/transport-node'
import type { Static, TSchema } from 'typebox'
import Value from 'typebox/value'
import { restate } from '../domain/user.ts'
import type { UserSync } from '../store/user-sync.ts'
import type { Relay } from './relay.ts'

/** Answers the read side's requests (contracts/sync.ts) over this link. One of several replicas answers each. */
export function answerSync(
  nats: NatsLink,
  { sync, relay, logger }: { sync: UserSync; relay: Relay; logger: Logger },
): void {
  const answer = <Schema extends TSchema>(
    subject: string,
    schema: Schema,
    reply: (request: Static<Schema>) => Promise<object>,
  ) => {
    const respond = async (message: Msg) => {
      try {
        message.respond(JSON.stringify(await reply(Value.Parse(schema, message.json()))))
      } catch (error) {
        logger.error({ err: error, subject }, 'sync request failed')
        message.respond(JSON.stringify({ error: 'failed' }))
      }
    }
    nats.subscribe(subject, respond, { queue: 'command-api' })
  }

  answer(syncSubjects.digest, PageRequest, ({ after, limit }) => sync.digest(after, limit))
  answer(syncSubjects.versions, RangeRequest, ({ after, upTo }) => sync.versions(after, upTo))
  answer(syncSubjects.page, PageRequest, ({ after, limit }) => sync.page(after, limit))
  answer(syncSubjects.republish, RepublishRequest, ({ users }) => republish(users, { sync, relay }))
}

/**
 * Republishes the current state of each user. These events have new ids, otherwise the stream would drop them as
 * duplicates. They bypass the outbox: if publishing fails, the next comparison requests them again.
 */
async function republish(
  users: { id: string; readVersion: number }[],
  { sync, relay }: { sync: UserSync; relay: Relay },
): Promise<RepublishReply> {
  const restated = await Promise.all(
    users.map(async ({ id, readVersion }) =>
      restate(id, await sync.findAny(id), readVersion, { now: new Date(), eventId: randomUUIDv7() }),
    ),
  )
  const events = restated.filter((event): event is UserEvent => event !== undefined)
  const published = await Promise.all(events.map((event) => relay.deliver(event)))
  return { published: published.filter(Boolean).length }
}
