import type { NatsLink } from '@cqrs/service-kit'
import type { Db } from 'mongodb'

/** What a command of the command line is given. */
export type CliContext = {
  /** The read database. */
  db: Db
  /** Connected. */
  nats: NatsLink
  /** Ends the process with the usage: the arguments make no sense. */
  fail: () => never
}
