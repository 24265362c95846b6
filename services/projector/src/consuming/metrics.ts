import { Counter, gauges, Histogram } from '@cqrs/service-kit'

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

const reasons = ['invalid', 'not-json', 'unknown-schema-version', 'unknown-type', 'mail-refused', 'mail-deferred']

/** Has every label of a consumer there from the start. */
export function initialise(consumer: string): void {
  for (const histogram of [batchSize, lagSeconds]) histogram.zero({ consumer })
  newerEvents.inc({ consumer }, 0)
  for (const reason of reasons) deadLetters.inc({ consumer, reason }, 0)
}

/** Measures a consumer that runs in this process, over all replicas: NaN while NATS is unavailable. */
export const measureConsumer = gauges(
  {
    projector_lag_messages: {
      help: 'Messages in the stream that a consumer has not handled yet',
      label: 'consumer',
    },
    projector_dead_letters: { help: 'Dead letters that an operator has not replayed or dropped', label: 'consumer' },
  },
  async ({ durable, lag, deadLetters }: Consumer) => ({
    projector_lag_messages: { [durable]: await lag().catch(() => Number.NaN) },
    projector_dead_letters: { [durable]: await deadLetters().catch(() => Number.NaN) },
  }),
)

type Consumer = { durable: string; lag: () => Promise<number>; deadLetters: () => Promise<number> }
