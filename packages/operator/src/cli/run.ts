import type { Context } from '../operations/context.ts'

/** What every command receives. */
export type CliContext = Context & {
  /** Prints a line for people, or with `--json` this object. */
  print: (object: object, text: string) => void
}

/**
 * Makes the action of a command: connects, calls, and keeps the exit code (0 unless the command returns another).
 * Without the read database or NATS, a command that needs them fails.
 */
export type Run = <Args extends unknown[]>(
  command: (context: CliContext, ...args: Args) => Promise<number | undefined>,
  options?: { needsServers?: boolean },
) => (...args: Args) => Promise<void>
