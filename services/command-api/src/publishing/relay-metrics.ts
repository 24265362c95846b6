import { Counter, Gauge, Histogram } from '@cqrs/service-kit'
import type { Outbox } from '../store/outbox.ts'

export const published = new Counter({ name: 'outbox_published_total', help: 'Events that JetStream acknowledged' })
export const publishFailures = new Counter({
  name: 'outbox_publish_failures_total',
  help: 'Failed publishes; they are retried',
})
export const removalSize = new Histogram({
  name: 'outbox_removal_events',
  help: 'Events removed from the outbox by one bulk write',
  buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
})

new Gauge({
  name: 'outbox_pending_users',
  help: 'Users with events that are not published yet, counted up to 100,000',
  async collect() {
    this.set((await backlog()).users)
  },
})
new Gauge({
  name: 'outbox_oldest_pending_seconds',
  help: 'Age of the oldest event that is not published yet; 0 if there is none',
  async collect() {
    this.set((await backlog()).oldestSeconds)
  },
})

/**
 * Makes the gauges measure this outbox, with one indexed look-up for each scrape. A name can be registered only once,
 * so if a process creates several services, the gauges measure the last one.
 */
export function measureOutbox(outbox: Outbox): void {
  measured = outbox
}

let measured: Outbox | undefined
let looking: Promise<typeof unknown> | undefined
const unknown = { users: Number.NaN, oldestSeconds: Number.NaN }

async function backlog(): Promise<typeof unknown> {
  looking ??= measured
    ?.backlog()
    .catch(() => unknown)
    .finally(() => {
      looking = undefined
    })
  return (await looking) ?? unknown
}
