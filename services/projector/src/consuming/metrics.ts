import { Counter, Gauge, Histogram } from '@cqrs/service-kit'

export const batchSize = new Histogram({
  name: 'projector_batch_events',
  help: 'Events handled at once',
  labelNames: ['consumer'],
  buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
})
export const lagSeconds = new Histogram({
  name: 'projector_lag_seconds',
  help: 'Seconds from the command until its event was handled',
  labelNames: ['consumer'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600],
})
export const deadLetters = new Counter({
  name: 'projector_dead_letters_total',
  help: 'Messages moved to the dead-letter stream because they can never be handled',
  labelNames: ['consumer', 'reason'],
})
export const newerEvents = new Counter({
  name: 'projector_newer_events_total',
  help: 'Deliveries of events of a newer schema version, which wait for a newer projector',
  labelNames: ['consumer'],
})

/** The consumers that run in this process. Their lag is asked for when the metrics are read. */
export const consumers = new Set<{ durable: string; lag(): Promise<number> }>()
new Gauge({
  name: 'projector_lag_messages',
  help: 'Messages in the stream that a consumer has not handled yet',
  labelNames: ['consumer'],
  async collect() {
    const measured = [...consumers].map(async (consumer) =>
      this.set({ consumer: consumer.durable }, await consumer.lag().catch(() => Number.NaN)),
    )
    await Promise.all(measured)
  },
})
