import { Counter, Gauge, Histogram } from '@cqrs/service-kit'
import type { Outbox } from '../store/outbox.ts'

export const published = new Counter({ name: 'outbox_published_total', help: 'Events that JetStream acknowledged' })
export const publishFailures = new Counter({
  name: 'outbox_publish_failures_total',
  help: 'Publishes that failed; they are tried again',
})
export const removalSize = new Histogram({
  name: 'outbox_removal_events',
  help: 'Events taken out of the outbox by one bulk write',
  buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
})

/** What waits in the outbox, looked up through its partial index whenever the metrics are read. */
export function measureOutbox(outbox: Outbox): void {
  const unknown = { users: Number.NaN, oldestSeconds: Number.NaN }
  let looking: Promise<typeof unknown> | undefined
  const backlog = () => {
    looking ??= outbox
      .backlog()
      .catch(() => unknown)
      .finally(() => {
        looking = undefined
      })
    return looking
  }
  new Gauge({
    name: 'outbox_pending_users',
    help: 'Users with events that are not published yet',
    async collect() {
      this.set((await backlog()).users)
    },
  })
  new Gauge({
    name: 'outbox_oldest_pending_seconds',
    help: 'Age of the oldest event that is not published yet; 0 when there is none',
    async collect() {
      this.set((await backlog()).oldestSeconds)
    },
  })
}
