/** An event that can never be handled, however often it is tried. It becomes a dead letter; others go on. */
export class PermanentFailure extends Error {
  /** A short stable word for operators to look for. */
  readonly reason: string
  constructor(reason: string, detail: string) {
    super(`${reason}: ${detail}`)
    this.reason = reason
  }
}

/**
 * An event that cannot be handled now, for a reason of its own: it is handed back and delivered again later, so that it
 * holds up no other. Any other error is taken for a fault of what the handler needs, and stops all of its events.
 */
export class TryLater extends Error {}
