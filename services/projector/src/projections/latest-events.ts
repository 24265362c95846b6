import type { UserEvent } from '@cqrs/contracts'

/** Of each user the event with the highest version: it holds all that the ones before it say. */
export function latestEvents(events: readonly UserEvent[]): UserEvent[] {
  const latest = new Map<string, UserEvent>()
  for (const event of events) {
    if (event.version > (latest.get(event.subject)?.version ?? 0)) latest.set(event.subject, event)
  }
  return [...latest.values()]
}
