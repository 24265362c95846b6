import { randomUUIDv7 } from 'node:crypto'
import {
  DigestRequest,
  PageRequest,
  RepublishRequest,
  syncSubjects,
  type UserEvent,
  VersionsRequest,
} from '@cqrs/contracts'
import type { Logger, NatsLink } from '@cqrs/service-kit'
import type { Msg } from '@nats-io/transport-node'
import Type, { type Static, type TSchema } from 'typebox'
import Value from 'typebox/value'
import { type Context, raise, restate } from '../domain/user.ts'
import { changeUser } from '../store/change-user.ts'
import type { Outbox } from '../store/outbox.ts'
import type { UserRepository } from '../store/user-repository.ts'
import type { UserSync } from '../store/user-sync.ts'
import type { Relay } from './relay.ts'

type Parts = { sync: UserSync; users: UserRepository; outbox: Outbox; relay: Relay; logger: Logger }

/**
 * Answers the read side's requests (contracts/sync.ts) over this link. One of several replicas answers each. A
 * write database without an identity answers nothing.
 */
export function answerSync(nats: NatsLink, parts: Parts): void {
  const { sync, outbox, logger } = parts
  const answer = <Schema extends TSchema>(
    subject: string,
    schema: Schema,
    reply: (request: Static<Schema>) => Promise<object>,
  ) => {
    const respond = async (message: Msg) => {
      try {
        const replied = await reply(Value.Parse(schema, message.json()))
        // After the reply is read: if the database was emptied before, its identity is gone.
        message.respond(JSON.stringify({ ...replied, writeDatabase: await sync.identity() }))
      } catch (error) {
        logger.error({ err: error, subject }, 'sync request failed')
        message.respond(JSON.stringify({ error: 'failed' }))
      }
    }
    nats.subscribe(subject, respond, { queue: 'command-api' })
  }

  answer(syncSubjects.digest, DigestRequest, ({ after, limit, fields }) => sync.digest(after, limit, fields))
  answer(syncSubjects.versions, VersionsRequest, ({ after, upTo, limit, fields }) =>
    sync.versions(after, upTo, limit, fields),
  )
  answer(syncSubjects.page, PageRequest, async ({ after, limit }) => {
    const { malformed, ...page } = await sync.page(after, limit)
    for (const id of malformed) logger.error({ user_id: id }, 'user is malformed and is left out of a rebuild')
    return page
  })
  answer(syncSubjects.republish, RepublishRequest, (request) => republish(request, parts))
  answer(syncSubjects.outbox, Type.Object({}), () => outbox.longestWaiting())
}

/**
 * Publishes an event for each of these users, if this is the database that the request means. The state comes from what
 * a majority has, and the identity is read after it: an emptied database deletes nobody.
 */
async function republish({ writeDatabase, users }: RepublishRequest, parts: Parts): Promise<{ published: number }> {
  const { sync, users: repository, relay, logger } = parts
  const known = await sync.findAny(users.map(({ id }) => id))
  if ((await sync.identity()) !== writeDatabase) return { published: 0 }
  const published = users.map(async ({ id, readVersion, remedy }) => {
    try {
      const document = known.get(id)
      if (!document && remedy !== 'delete') return false
      const context = { now: new Date(), eventId: randomUUIDv7() }
      if (remedy === 'raise') return await raiseUser(id, readVersion, context, parts)
      // A new id, otherwise the stream would drop it as a duplicate. It bypasses the outbox: if publishing fails, the
      // next comparison requests it again.
      const event = restate(id, document && sync.snapshotOf(document), readVersion, context)
      return event !== undefined && (await relay.deliver(repository.written(event)))
    } catch (error) {
      logger.error({ err: error, user_id: id }, 'cannot republish this user')
      return false
    }
  })
  return { published: (await Promise.all(published)).filter(Boolean).length }
}

/**
 * One version has one content for ever, so other content gets a version of its own.
 * @returns whether it is published
 */
async function raiseUser(id: string, above: number, context: Context, { users, relay }: Parts): Promise<boolean> {
  const raised: UserEvent[] = []
  const publish = (event: UserEvent) => void raised.push(event)
  await changeUser({ users, relay: { publish } }, id, (user) => raise(user, above, context))
  const delivered = await Promise.all(raised.map((event) => relay.deliver(event)))
  return delivered.includes(true)
}
