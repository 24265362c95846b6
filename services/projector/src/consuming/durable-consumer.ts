import { usersStream } from '@cqrs/contracts'
import { AckPolicy, type ConsumerConfig, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'

/** Which events to read, and under which name the server remembers how far they were handled. */
export type DurableConsumer = {
  /** Replicas that use the same name share the events. */
  durable: string
  filterSubjects: readonly string[]
}

/**
 * How long the server waits to hear of a message before it delivers it again, to any replica. That is how long a message
 * stays undone that a killed process held, so less than the server's 30 s; a living one says in time that it is at work.
 */
export const ackWaitMs = 10_000

/**
 * Makes sure of a durable pull consumer of the stream that starts with the first event. Safe to repeat, also by several
 * processes at once.
 */
export async function ensureDurableConsumer(
  nats: NatsConnection,
  { durable, filterSubjects }: DurableConsumer,
): Promise<void> {
  const config: Partial<ConsumerConfig> = {
    durable_name: durable,
    filter_subjects: [...filterSubjects],
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
    // Shared by all replicas, so well above what each of them holds.
    max_ack_pending: 5_000,
    max_deliver: -1,
  }
  const manager = await jetstreamManager(nats)
  const { name } = usersStream
  await manager.consumers.add(name, config).catch(() => manager.consumers.update(name, durable, config))
}
