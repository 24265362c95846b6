import { setTimeout as delay } from 'node:timers/promises'
import { subjectOf, type UserEvent, usersStream } from '@cqrs/contracts'
import type { Lease, Logger, NatsLink } from '@cqrs/service-kit'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Outbox } from '../store/outbox.ts'
import * as metrics from './relay-metrics.ts'

/**
 * Brings events from the outbox to JetStream, at least once.
 *
 * `publish` sends an event right after its commit. What that leaves behind (a crash, NATS away, too much at once) is
 * found by the sweeper through the index of pending events: on that look-up correctness rests, `publish` is only quicker.
 * An event goes out of the outbox when JetStream has acknowledged it. `Nats-Msg-Id` is the event's id, so what is sent
 * twice within the stream's duplicate window is stored once.
 *
 * A deletion takes the user's earlier events out of the stream, for they hold personal data. It leaves the outbox only
 * after that, too.
 */
export class Relay {
  readonly #outbox: Outbox
  readonly #lease: Lease
  readonly #nats: NatsLink
  readonly #logger: Logger
  readonly #onDeleted: (userId: string) => Promise<void>
  readonly #inFlight = new Map<string, Promise<boolean>>()
  #acknowledged: UserEvent[] = []
  #removal: Promise<void> | undefined
  #failing = false
  #stopped = false
  #wake = Promise.withResolvers<void>()
  #sweeping: Promise<void> | undefined

  /**
   * @param parts.onDeleted erases what else is kept of a deleted user; called until it succeeds, also after a crash of the
   *   process that deleted the user
   */
  constructor(parts: {
    outbox: Outbox
    lease: Lease
    nats: NatsLink
    logger: Logger
    onDeleted: (userId: string) => Promise<void>
  }) {
    this.#outbox = parts.outbox
    this.#lease = parts.lease
    this.#nats = parts.nats
    this.#logger = parts.logger
    this.#onDeleted = parts.onDeleted
  }

  /** Starts the sweeper. */
  start(): void {
    this.#sweeping ??= this.#keepSweeping()
  }

  /** Sends an event that has just been committed. Never waits and never fails: the sweeper finds what this does not. */
  publish(event: UserEvent): void {
    if (this.#inFlight.size < maxInFlight) void this.deliver(event)
  }

  /** Sends an event, once at a time. @returns whether the stream has it now */
  deliver(event: UserEvent): Promise<boolean> {
    const underWay = this.#inFlight.get(event.id)
    if (underWay) return underWay
    const sending = this.#send(event).finally(() => this.#inFlight.delete(event.id))
    this.#inFlight.set(event.id, sending)
    return sending
  }

  /** Sweeps now: NATS has come back. */
  wake(): void {
    this.#wake.resolve()
  }

  /** Waits for what is under way, within the time-outs of the broker. What stays behind is swept by another process. */
  async close(): Promise<void> {
    this.#stopped = true
    this.wake()
    await this.#sweeping
    await Promise.all(this.#inFlight.values())
    await this.#removal
    // A relay that was never started has no lease, and its database client is not connected.
    if (this.#sweeping) await this.#lease.release().catch(() => undefined)
  }

  async #keepSweeping(): Promise<void> {
    while (!this.#stopped) {
      try {
        if (this.#nats.connection() && (await this.#lease.acquire())) await this.#sweep()
      } catch (error) {
        this.#logger.error({ err: error }, 'outbox sweep failed')
      }
      const timer = new AbortController()
      await Promise.race([
        this.#wake.promise,
        delay(sweepEveryMs, undefined, { signal: timer.signal }).catch(() => undefined),
      ])
      timer.abort()
      this.#wake = Promise.withResolvers()
    }
  }

  /** Publishes batch after batch of what waits, while that succeeds and this process holds the lease. */
  async #sweep(): Promise<void> {
    while (!this.#stopped) {
      const events = await this.#outbox.pending(new Date(Date.now() - graceMs), sweepBatch)
      const sent = await Promise.all(events.map((event) => this.deliver(event)))
      await this.#removal
      if (!sent.includes(true) || !(await this.#lease.acquire())) return
    }
  }

  async #send(event: UserEvent): Promise<boolean> {
    const connection = this.#nats.connection()
    if (!connection) return false
    try {
      await jetstream(connection).publish(subjectOf(event), JSON.stringify(event), { msgID: event.id, timeout: 5_000 })
      if (event.type === 'UserDeleted') {
        await eraseHistory(connection, event.subject)
        await this.#onDeleted(event.subject)
      }
    } catch (error) {
      metrics.publishFailures.inc()
      if (!this.#failing)
        this.#logger.warn({ err: error, user_id: event.subject }, 'publishing fails; events wait in the outbox')
      this.#failing = true
      return false
    }
    if (this.#failing) this.#logger.info('publishing works again')
    this.#failing = false
    metrics.published.inc()
    this.#logger.debug({ user_id: event.subject, event_id: event.id }, `${event.type} event published`)
    this.#acknowledged.push(event)
    this.#removal ??= this.#removeAcknowledged()
    return true
  }

  /** Takes acknowledged events out of the outbox, gathered for a moment so that a busy process does it in few writes. */
  async #removeAcknowledged(): Promise<void> {
    await delay(gatherMs)
    while (this.#acknowledged.length > 0) {
      const events = this.#acknowledged
      this.#acknowledged = []
      try {
        metrics.removalSize.observe(events.length)
        await this.#eraseStragglers(events, await this.#outbox.remove(events))
      } catch (error) {
        this.#logger.error(
          { err: error, events: events.length },
          'outbox not cleared; these events will be published again',
        )
      }
    }
    this.#removal = undefined
  }

  /** An event that another process published while its user was deleted here came after the deletion's erasure. */
  async #eraseStragglers(published: UserEvent[], deleted: string[]): Promise<void> {
    const connection = this.#nats.connection()
    const stragglers = published.filter(({ type, subject }) => type !== 'UserDeleted' && deleted.includes(subject))
    if (connection) await Promise.all(stragglers.map(({ subject }) => eraseHistory(connection, subject)))
  }
}

/** Takes the events with personal data of a deleted user out of the stream; its deletion stays. */
async function eraseHistory(connection: NatsConnection, userId: string): Promise<void> {
  const { streams } = await jetstreamManager(connection, { checkAPI: false })
  await Promise.all(
    ['created', 'updated'].map((verb) => streams.purge(usersStream.name, { filter: `users.${userId}.${verb}` })),
  )
}

/** Beyond this many unacknowledged events the sweeper takes over, in bounded batches: memory stays flat. */
const maxInFlight = 1_000
const sweepBatch = 500
const sweepEveryMs = 1_000
/** Younger events are still being published by the process that wrote them. */
const graceMs = 2_000
const gatherMs = 20
