import type { UserEvent } from '@cqrs/contracts'

/** The event with the highest version of each user: it carries the whole state, so the earlier ones add nothing. */
export function latestEvents(events: readonly UserEvent[]): UserEvent[] {
  const latest = new Map<string, UserEvent>()
  for (const event of events) {
    if (event.version > (latest.get(event.subject)?.version ?? 0)) latest.set(event.subject, event)
  }
  return [...latest.values()]
}
