import { Counter, Gauge, Histogram } from '@cqrs/service-kit'

export const batchSize = new Histogram({
  name: 'projector_batch_events',
  help: 'Events handled at once',
  labelNames: ['consumer'],
  buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
})
export const lagSeconds = new Histogram({
  name: 'projector_lag_seconds',
  help: 'From the command to the moment when its event was handled',
  labelNames: ['consumer'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600],
})
export const deadLetters = new Counter({
  name: 'projector_dead_letters_total',
  help: 'Messages set aside because they can never be handled',
  labelNames: ['consumer', 'reason'],
})

/** Asks the server for the lag of each consumer when the metrics are read, between `start` and `close`. */
export function lagGauge(
  consumers: readonly { durable: string }[],
  progress: { lag: (durable: string) => Promise<number> },
) {
  const measure = async (gauge: Gauge) => {
    const lags = consumers.map(async ({ durable: consumer }) =>
      gauge.set({ consumer }, await progress.lag(consumer).catch(() => Number.NaN)),
    )
    await Promise.all(lags)
  }
  return {
    start: () => void lagSources.add(measure),
    close: async () => void lagSources.delete(measure),
  }
}

/** A set, because the registry takes a name only once in a process, which may run several projectors in a test. */
const lagSources = new Set<(gauge: Gauge) => Promise<void>>()
new Gauge({
  name: 'projector_lag_messages',
  help: 'Messages in the stream that a consumer has not handled yet',
  labelNames: ['consumer'],
  async collect() {
    await Promise.all([...lagSources].map((measure) => measure(this)))
  },
})
