import { replaySubject, usersStream } from '@cqrs/contracts'
import { ifExists, stamped } from '@cqrs/service-kit'
import { AckPolicy, type ConsumerConfig, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'

/** Which events to read, and the name under which the server tracks which of them are handled. */
export type DurableConsumer = {
  /** Replicas with the same name share the events. */
  durable: string
  filterSubjects: readonly string[]
}

/**
 * How long the server waits for an acknowledgement before it delivers a message again, to any replica. A killed process
 * delays its messages by this time, so it is less than the server's default of 30 s; a live process extends it.
 */
export const ackWaitMs = 10_000

/**
 * The configuration of a durable pull consumer that starts with the first event in the stream, which keeps what some
 * consumer has not handled.
 */
export const consumerConfig = ({
  durable,
  filterSubjects,
}: DurableConsumer): Partial<ConsumerConfig> & { durable_name: string } => ({
  durable_name: durable,
  filter_subjects: [...filterSubjects, replaySubject(durable, '>')],
  deliver_policy: DeliverPolicy.All,
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(ackWaitMs),
  // For all replicas together: each holds at most two batches of up to 500.
  max_ack_pending: 5_000,
  max_deliver: -1,
})

/**
 * Creates the consumer, or updates it, and resumes it unless it may be paused. Safe to repeat, also by several
 * processes at once.
 */
export async function ensureDurableConsumer(
  nats: NatsConnection,
  consumer: DurableConsumer,
  mayBePaused = false,
): Promise<void> {
  const config = stamped(consumerConfig(consumer))
  const { consumers } = await jetstreamManager(nats, { checkAPI: false })
  const { name } = usersStream
  const { durable } = consumer
  const { paused } = await consumers.add(name, config).catch(() => consumers.update(name, durable, config))
  if (paused && !mayBePaused) await consumers.resume(name, durable)
}

/** Which of these exist. */
export async function existingConsumers(nats: NatsConnection, durables: readonly string[]): Promise<string[]> {
  const { consumers } = await jetstreamManager(nats, { checkAPI: false })
  const found = await Promise.all(durables.map((durable) => ifExists(consumers.info(usersStream.name, durable))))
  return durables.filter((_, i) => found[i])
}

/** Removes the consumer if it exists. */
export async function removeDurableConsumer(nats: NatsConnection, durable: string): Promise<void> {
  const { consumers } = await jetstreamManager(nats, { checkAPI: false })
  await ifExists(consumers.delete(usersStream.name, durable))
}
