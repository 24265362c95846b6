/**
 * An event that can never be handled. It becomes a dead letter and does not hold up others. Any other error counts as a
 * failure of what the handler depends on, such as the database: the event is kept and retried.
 */
export class PermanentFailure extends Error {
  /** A short stable code for operators to search for. */
  readonly reason: string
  constructor(reason: string, detail: string) {
    super(`${reason}: ${detail}`)
    this.reason = reason
  }
}
