import { replaySubject, usersStream } from '@cqrs/contracts'
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
 * Creates or updates a durable pull consumer that starts with the first event in the stream, which keeps what some
 * consumer has not handled. Safe to repeat, also by several processes at once.
 */
export async function ensureDurableConsumer(
  nats: NatsConnection,
  { durable, filterSubjects }: DurableConsumer,
): Promise<void> {
  const config: Partial<ConsumerConfig> = {
    durable_name: durable,
    filter_subjects: [...filterSubjects, replaySubject(durable, '>')],
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
    // For all replicas together: each holds at most two batches of up to 500.
    max_ack_pending: 5_000,
    max_deliver: -1,
  }
  const manager = await jetstreamManager(nats)
  const { name } = usersStream
  await manager.consumers.add(name, config).catch(() => manager.consumers.update(name, durable, config))
}
