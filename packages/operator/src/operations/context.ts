import type { NatsLink } from '@cqrs/service-kit'
import type { Db } from 'mongodb'
import type { OperatorActions } from './actions.ts'

/** What every operation receives. */
export type Context = {
  /** The read database. */
  db: Db
  nats: NatsLink
  /** Keeps what the operator did. */
  actions: OperatorActions
}
