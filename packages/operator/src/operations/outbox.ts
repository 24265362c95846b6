import { FollowedDatabase, WriteSide } from '@cqrs/projector'
import type { Context } from './context.ts'

/** The users whose events have waited longest to be published, and how many there are. Only ids and times. */
export const longestWaiting = ({ db, nats }: Pick<Context, 'db' | 'nats'>) =>
  new WriteSide(nats, new FollowedDatabase(db)).outbox()
