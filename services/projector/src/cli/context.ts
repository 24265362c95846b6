import type { NatsLink } from '@cqrs/service-kit'
import type { Db } from 'mongodb'

/** What every command of the command line receives. */
export type CliContext = {
  /** The read database. */
  db: Db
  /** A link that is connected. */
  nats: NatsLink
  /** Prints a line for people, or with `--json` this object. */
  print: (object: object, text: string) => void
}

/** Makes the action of a command: connects, calls, and keeps the exit code (0 unless the command returns another). */
export type Run = <Args extends unknown[]>(
  command: (context: CliContext, ...args: Args) => Promise<number | undefined>,
) => (...args: Args) => Promise<void>
