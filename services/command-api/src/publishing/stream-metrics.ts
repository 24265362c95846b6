import { deadLetterStream, usersStream } from '@cqrs/contracts'
import { gauges, type NatsLink, nextMessage } from '@cqrs/service-kit'
import { type ConsumerInfo, jetstreamManager, type StreamAPI } from '@nats-io/jetstream'

/** Measures the streams and how far their consumers are, also while no projector runs, by the clock of the broker. */
export const measureStreams = gauges(
  {
    consumer_unhandled_messages: {
      help: 'Messages of the stream that a durable consumer has not acknowledged',
      label: 'consumer',
    },
    consumer_oldest_unhandled_seconds: {
      help: 'Age of the oldest message that a durable consumer has not acknowledged; 0 if there is none',
      label: 'consumer',
    },
    stream_bytes: { help: 'Size of a stream', label: 'stream' },
    stream_max_bytes: { help: 'Maximum size of a stream; +Inf if it has none', label: 'stream' },
  },
  async (nats: NatsLink) => {
    const connection = nats.connection()
    if (!connection) return {}
    const { streams, consumers } = await jetstreamManager(connection, { checkAPI: false })
    const [listed, ...infos] = await Promise.all([
      consumers.list(usersStream.name).next(),
      streams.info(usersStream.name),
      streams.info(deadLetterStream.name),
    ])
    const ages = await Promise.all(listed.map((info) => oldestSeconds(streams, info)))
    const byStream = (value: (info: (typeof infos)[number]) => number) =>
      Object.fromEntries(infos.map((info) => [info.config.name, value(info)]))
    return {
      consumer_unhandled_messages: Object.fromEntries(
        listed.map(({ name, num_pending, num_ack_pending }) => [name, num_pending + num_ack_pending]),
      ),
      consumer_oldest_unhandled_seconds: Object.fromEntries(listed.map(({ name }, i) => [name, ages[i] ?? 0])),
      stream_bytes: byStream(({ state }) => state.bytes),
      stream_max_bytes: byStream(({ config }) => (config.max_bytes < 0 ? Number.POSITIVE_INFINITY : config.max_bytes)),
    }
  },
)

/** By the clock of the broker. */
async function oldestSeconds(streams: StreamAPI, info: ConsumerInfo): Promise<number> {
  const oldest = await nextMessage(streams, info, info.ack_floor.stream_seq)
  const now = info.ts ? Date.parse(info.ts) : Date.now()
  return oldest ? Math.max(0, (now - oldest.time.getTime()) / 1_000) : 0
}
