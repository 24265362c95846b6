import { Counter, gauges, Histogram } from '@cqrs/service-kit'
import type { Outbox } from '../store/outbox.ts'

export const published = new Counter({ name: 'outbox_published_total', help: 'Events that JetStream acknowledged' })
export const publishFailures = new Counter({
  name: 'outbox_publish_failures_total',
  help: 'Failed publishes; they are retried',
})
export const publishSeconds = new Histogram({
  name: 'outbox_publish_duration_seconds',
  help: 'Time from publishing an event until JetStream acknowledged it',
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
})
export const removalSize = new Histogram({
  name: 'outbox_removal_events',
  help: 'Events removed from the outbox by one bulk write',
  buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
})

/** Measures with indexed look-ups, once for each scrape. */
export const measureOutbox = gauges(
  {
    outbox_pending_users: 'Users with events that are not published yet, counted up to 100,000',
    outbox_oldest_pending_seconds: 'Age of the oldest event that is not published yet; 0 if there is none',
    outbox_crowded_users: 'Users whose outbox is filled to 80 % or more, among the 10,000 that wait longest',
  },
  async (outbox: Outbox) => {
    const { users, oldestSeconds, crowded } = await outbox.backlog()
    return { outbox_pending_users: users, outbox_oldest_pending_seconds: oldestSeconds, outbox_crowded_users: crowded }
  },
)
