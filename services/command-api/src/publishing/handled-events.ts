import { usersStream } from '@cqrs/contracts'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'

/**
 * Removes from the stream what every durable consumer has handled, but the last event (docs/decisions/0023). One
 * process at a time calls it, again and again.
 */
export class HandledEvents {
  #lookAt = 0
  #last = { seq: 0, created: '' }

  /** Does nothing if it was called less than `everyMs` ago, or if no consumer exists yet: then nothing is handled. */
  async purge(connection: NatsConnection): Promise<void> {
    if (performance.now() < this.#lookAt) return
    this.#lookAt = performance.now() + everyMs
    const { streams, consumers } = await jetstreamManager(connection, { checkAPI: false })
    const { state, created } = await streams.info(usersStream.name)
    // A broker that lost its data, or came back older, counts again from a lower number.
    const isSame = created === this.#last.created && state.last_seq >= this.#last.seq
    const lastSeq = isSame ? this.#last.seq : 0
    const found = await consumers.list(usersStream.name).next()
    // A cluster leaves out a consumer that has no leader at the moment. It may not have handled anything.
    if (found.length < state.consumer_count) return
    // A consumer without outstanding messages has handled what was there at the last look. Not what is there now: its
    // own server may not have that yet.
    const floors = found.map(({ num_pending, num_ack_pending, ack_floor }) =>
      num_pending + num_ack_pending === 0 ? Math.max(lastSeq, ack_floor.stream_seq) : ack_floor.stream_seq,
    )
    this.#last = { seq: state.last_seq, created }
    // The last event stays: until 2.14.5, a purge of all can take with it an event that is stored at the same moment
    // (nats-server, "fileStore Compact and StoreMsg race").
    const upTo = Math.min(...floors, state.last_seq - 1)
    if (floors.length > 0 && upTo >= state.first_seq) await streams.purge(usersStream.name, { seq: upTo + 1 })
  }
}

const everyMs = 5_000
