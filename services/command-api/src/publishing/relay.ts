import { setTimeout as delay } from 'node:timers/promises'
import { subjectOf, type UserEvent, usersStream } from '@cqrs/contracts'
import type { Lease, Logger, NatsLink } from '@cqrs/service-kit'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Outbox } from '../store/outbox.ts'
import * as metrics from './relay-metrics.ts'

/**
 * Publishes events from the outbox to JetStream, at least once.
 *
 * `publish` sends an event right after its commit. The sweeper finds what remains (after a crash, while NATS is
 * unavailable, under too much load) through the index of pending events. Correctness depends on the sweeper; `publish`
 * only makes it faster. An event leaves the outbox when JetStream has acknowledged it. `Nats-Msg-Id` is the event's id,
 * so an event that is sent twice within the stream's duplicate window is stored once.
 *
 * A deletion purges the user's earlier events from the stream, because they hold personal data, before it leaves the
 * outbox.
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
  #failingSince = 0
  #failedAt = 0
  #stopped = false
  #wake = Promise.withResolvers<void>()
  #sweeping: Promise<void> | undefined

  /**
   * @param options.onDeleted erases other data of a deleted user; called until it succeeds, even if the process that
   *   deleted the user crashes
   */
  constructor(options: {
    outbox: Outbox
    lease: Lease
    nats: NatsLink
    logger: Logger
    onDeleted: (userId: string) => Promise<void>
  }) {
    this.#outbox = options.outbox
    this.#lease = options.lease
    this.#nats = options.nats
    this.#logger = options.logger
    this.#onDeleted = options.onDeleted
  }

  /** Starts the sweeper. */
  start(): void {
    this.#sweeping ??= this.#keepSweeping()
  }

  /** Sends an event right after its commit. It neither waits nor fails: the sweeper finds what it does not send. */
  publish(event: UserEvent): void {
    if (this.#inFlight.size < maxInFlight) void this.deliver(event)
  }

  /** Sends an event, unless that is in progress already. @returns whether the stream has it now */
  deliver(event: UserEvent): Promise<boolean> {
    const underWay = this.#inFlight.get(event.id)
    if (underWay) return underWay
    const sending = this.#send(event).finally(() => this.#inFlight.delete(event.id))
    this.#inFlight.set(event.id, sending)
    return sending
  }

  /**
   * False while publishing has failed for more than 5 s although NATS is connected, as when the stream is full. A
   * failure counts for 15 s: another replica may have published the event.
   */
  isWell(): boolean {
    const now = Date.now()
    return !this.#failing || now - this.#failingSince < 5_000 || now - this.#failedAt > 15_000
  }

  /** Sweeps now, for example when NATS is available again. */
  wake(): void {
    this.#wake.resolve()
  }

  /**
   * Waits for publishes in progress, at most for their time-out, and releases the lease, so that others sweep the rest.
   */
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

  /** Publishes pending events in batches, while that succeeds and this process holds the lease. */
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
        this.#logger.warn({ err: error, user_id: event.subject }, 'publishing failed; events wait in the outbox')
      this.#failedAt = Date.now()
      if (!this.#failing) this.#failingSince = this.#failedAt
      this.#failing = true
      return false
    }
    if (this.#failing) this.#logger.info('publishing succeeded again')
    this.#failing = false
    metrics.published.inc()
    this.#logger.debug({ user_id: event.subject, event_id: event.id }, `${event.type} event published`)
    this.#acknowledged.push(event)
    this.#removal ??= this.#removeAcknowledged()
    return true
  }

  /** Removes acknowledged events from the outbox, collected for a moment so that a busy process needs few writes. */
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
          'cannot remove published events from the outbox; they will be published again',
        )
      }
    }
    this.#removal = undefined
  }

  /** If another process published an event while its user was deleted here, it arrived after the purge. */
  async #eraseStragglers(published: UserEvent[], deleted: string[]): Promise<void> {
    const connection = this.#nats.connection()
    const stragglers = published.filter(({ type, subject }) => type !== 'UserDeleted' && deleted.includes(subject))
    if (connection) await Promise.all(stragglers.map(({ subject }) => eraseHistory(connection, subject)))
  }
}

/** Purges a deleted user's events from the stream, except the deletion, which holds no personal data. */
async function eraseHistory(connection: NatsConnection, userId: string): Promise<void> {
  const { streams } = await jetstreamManager(connection, { checkAPI: false })
  await Promise.all(
    ['created', 'updated'].map((verb) => streams.purge(usersStream.name, { filter: `users.${userId}.${verb}` })),
  )
}

/** Above this many unacknowledged events only the sweeper sends, in batches, so that memory stays bounded. */
const maxInFlight = 1_000
const sweepBatch = 500
const sweepEveryMs = 1_000
/** Younger events are probably being published by the process that wrote them. */
const graceMs = 2_000
const gatherMs = 20
