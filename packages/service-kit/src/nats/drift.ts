import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { type ConsumerConfig, jetstreamManager, type StreamConfig } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

type Stream = Partial<StreamConfig> & { name: string }
type Consumer = Partial<ConsumerConfig> & { durable_name: string }

/**
 * Adds a digest of the configuration to its metadata. While two releases run side by side, neither takes the other's
 * configuration for a change by an operator.
 */
export function stamped<Config extends Stream | Consumer>(config: Config): Config & { metadata: Stamp } {
  const plan = createHash('sha256')
    .update(JSON.stringify(compared(config)))
    .digest('hex')
    .slice(0, 16)
  return { ...config, metadata: { plan } }
}

/**
 * Lists what an operator has changed in a stream and its consumers, such as `consumer USERS.welcome-email: max_deliver
 * is 3`.
 * @param paused the consumers that may be paused
 * @throws JetStreamApiError when one of them does not exist
 */
export async function drifted(
  nats: NatsConnection,
  stream: Stream,
  consumers: Consumer[] = [],
  paused: Pick<ReadonlySet<string>, 'has'> = new Set(),
): Promise<string[]> {
  const manager = await jetstreamManager(nats, { checkAPI: false })
  const { config } = await manager.streams.info(stream.name)
  const ofConsumers = consumers.map(async (wanted) => {
    const { config, paused: isPaused } = await manager.consumers.info(stream.name, wanted.durable_name)
    const changes = [
      ...drift(wanted, config),
      ...(isPaused && !paused.has(wanted.durable_name) ? ['it is paused'] : []),
    ]
    return changes.map((change) => `consumer ${stream.name}.${wanted.durable_name}: ${change}`)
  })
  const ofStream = drift(stream, config).map((change) => `stream ${stream.name}: ${change}`)
  return [...ofStream, ...(await Promise.all(ofConsumers)).flat()]
}

/** The settings that are not as wanted, as `max_deliver is 3`; none if another release has written them. */
export function drift(wanted: Stream | Consumer, found: Partial<StreamConfig> | Partial<ConsumerConfig>): string[] {
  const { plan } = found.metadata ?? {}
  if (plan && plan !== stamped(wanted).metadata.plan) return []
  const settings = found as Record<string, unknown>
  return Object.entries(compared(wanted))
    .filter(([name, value]) => !isDeepStrictEqual(inOrder(value), inOrder(settings[name])))
    .map(([name]) => `${name} is ${JSON.stringify(settings[name])}`)
}

type Stamp = { plan: string }

/** Each service has its own settings for the replicas and the size of a stream. */
const compared = ({ num_replicas, metadata, ...config }: Stream | Consumer): object => {
  const { max_bytes, ...others } = config as Partial<StreamConfig>
  return others
}

const inOrder = (value: unknown): unknown => (Array.isArray(value) ? value.toSorted() : value)
