import type { NatsLink } from '@cqrs/service-kit'
import type { Db } from 'mongodb'

/** What every command of the command line receives. */
export type CliContext = {
  /** The read database. */
  db: Db
  /** A link that is connected. */
  nats: NatsLink
  /** Ends the command with the usage and exit code 2: the arguments are invalid. */
  fail: () => never
}
