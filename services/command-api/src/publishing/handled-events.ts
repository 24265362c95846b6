import { usersStream } from '@cqrs/contracts'
import { nextMessage } from '@cqrs/service-kit'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

/**
 * Removes from the stream what every durable consumer has handled, but the last event (docs/decisions/0023). One
 * process at a time calls it, again and again.
 */
export class HandledEvents {
  #lookAt = 0

  /** Does nothing if it was called less than `everyMs` ago, or if no durable consumer exists yet. */
  async purge(connection: NatsConnection): Promise<void> {
    if (performance.now() < this.#lookAt) return
    this.#lookAt = performance.now() + everyMs
    const { streams, consumers } = await jetstreamManager(connection, { checkAPI: false })
    const found = await consumers.list(usersStream.name).next()
    const { state } = await streams.info(usersStream.name)
    // A cluster leaves out a consumer that has no leader at the moment. It may not have handled anything.
    if (found.length < state.consumer_count) return
    const durable = found.filter(({ config }) => config.durable_name)
    if (durable.length === 0) return
    // A stream that came back older than a consumer: what it stores now has numbers that the consumer has acknowledged.
    if (durable.some(({ ack_floor }) => ack_floor.stream_seq > state.last_seq)) return
    const next = await Promise.all(durable.map((info) => nextMessage(streams, info, info.ack_floor.stream_seq)))
    // The last event stays: until 2.14.5, a purge of all can take with it an event that is stored at the same moment
    // (nats-server, "fileStore Compact and StoreMsg race").
    const keepFrom = Math.min(...next.map((message) => message?.seq ?? state.last_seq), state.last_seq)
    if (keepFrom > state.first_seq) await streams.purge(usersStream.name, { seq: keepFrom })
  }
}

const everyMs = 5_000
