import { setTimeout as delay } from 'node:timers/promises'
import { aboutEvent, subjectOf, type UserEvent, usersStream } from '@cqrs/contracts'
import { type Lease, type Logger, type NatsLink, pause, tracing } from '@cqrs/service-kit'
import { JetStreamApiError, jetstream } from '@nats-io/jetstream'
import { InvalidArgumentError } from '@nats-io/transport-node'
import type { Outbox } from '../store/outbox.ts'
import { eraseHistory } from './erase-history.ts'
import { HandledEvents } from './handled-events.ts'
import * as metrics from './relay-metrics.ts'

/**
 * Publishes events from the outbox to JetStream, at least once.
 *
 * `publish` sends an event right after its commit. The sweeper finds what remains (after a crash, while NATS is
 * unavailable, under too much load) through the index of pending events. Correctness depends on the sweeper; `publish`
 * only makes it faster. An event leaves the outbox when JetStream has acknowledged it. `Nats-Msg-Id` is the event's id,
 * so an event that is sent twice within the stream's duplicate window is stored once.
 *
 * The sweeper also erases deleted users: it deletes their earlier events from the stream, because they hold personal
 * data, and repeats that later, because a publish that timed out may still arrive. It does so before it publishes, so
 * that a full stream has room for the deletion.
 */
export class Relay {
  readonly #outbox: Outbox
  readonly #lease: Lease
  readonly #nats: NatsLink
  readonly #logger: Logger
  readonly #onDeleted: (userId: string) => Promise<void>
  readonly #inFlight = new Map<string, Promise<boolean>>()
  /** Events that were refused for what they are; the reason is logged once. */
  readonly #refused = new Set<string>()
  #acknowledged: Pick<UserEvent, 'id' | 'subject'>[] = []
  readonly #handled = new HandledEvents()
  #removal: Promise<void> | undefined
  #failing: { sinceMs: number; lastMs: number } | undefined
  #erasureFails = false
  #stopped = false
  #wake = new AbortController()
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
    if (event.type === 'UserDeleted') this.wake()
    if (this.#inFlight.size + this.#acknowledged.length < maxInFlight) void this.deliver(event)
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
   * False while JetStream is connected and has refused or not answered publishes for some seconds: it is full, for
   * example, or has no leader. Events wait in the outbox.
   */
  isWell(): boolean {
    const now = performance.now()
    // Of old failures nothing is known: another process may have published those events.
    return !this.#failing || now - this.#failing.sinceMs < unwellAfterMs || now - this.#failing.lastMs > staleAfterMs
  }

  /** Sweeps now, for example when NATS is available again. */
  wake(): void {
    this.#wake.abort()
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
        const connection = this.#nats.connection()
        if (connection && (await this.#lease.acquire())) {
          await this.#sweep()
          await this.#handled.purge(connection)
        }
        // Another process may reach the broker.
        if (this.#failing) await this.#lease.release()
      } catch (error) {
        this.#logger.error({ err: error }, 'outbox sweep failed')
      }
      await pause(sweepEveryMs, this.#wake.signal)
      this.#wake = new AbortController()
    }
  }

  /**
   * Erases deleted users and publishes pending events, batch by batch, while that succeeds and this process holds the
   * lease. An event that is refused for what it is does not hold up the others.
   */
  async #sweep(): Promise<void> {
    for (let isProgress = true; isProgress; ) {
      isProgress = false
      await this.#eraseDeleted()
      for await (const events of this.#outbox.pending()) {
        const sent = await Promise.all(events.map((event) => this.deliver(event)))
        await this.#removal
        const isFailing = !sent.includes(true) && events.some(({ id }) => !this.#refused.has(id))
        if (this.#stopped || isFailing || !(await this.#lease.acquire())) return
        isProgress ||= sent.includes(true)
        await this.#eraseDeleted()
      }
    }
    this.#noteSuccess() // nothing waits because of the broker
  }

  async #send(event: UserEvent): Promise<boolean> {
    const connection = this.#nats.connection()
    if (!connection) return false
    const observe = metrics.publishSeconds.startTimer()
    try {
      await tracing.inSpan({ name: `publish ${stream}`, kind: 'PRODUCER', stream, cause: event }, () =>
        jetstream(connection).publish(subjectOf(event), JSON.stringify(event), { msgID: event.id, timeout: 5_000 }),
      )
    } catch (error) {
      this.#noteFailure(event, error)
      return false
    }
    observe()
    this.#noteSuccess()
    metrics.published.inc()
    this.#logger.info(aboutEvent(event), `${event.type} event published`)
    this.#acknowledged.push({ id: event.id, subject: event.subject })
    this.#removal ??= this.#removeAcknowledged()
    return true
  }

  #noteSuccess(): void {
    if (this.#failing) this.#logger.info('publishing succeeded again')
    this.#failing = undefined
  }

  /** A publish that timed out is not necessarily lost: its bytes may still arrive. */
  #noteFailure(event: UserEvent, error: unknown): void {
    metrics.publishFailures.inc()
    const about = { err: error, ...aboutEvent(event) }
    if (isTooLarge(error)) {
      if (!this.#refused.has(event.id)) this.#logger.error(about, 'an event is too large; it waits in the outbox')
      if (this.#refused.size >= maxInFlight) this.#refused.clear()
      this.#refused.add(event.id)
      return
    }
    if (!this.#failing) this.#logger.warn(about, 'publishing failed; events wait in the outbox')
    const lastMs = performance.now()
    const before = this.#failing && lastMs - this.#failing.lastMs < staleAfterMs ? this.#failing.sinceMs : undefined
    this.#failing = { sinceMs: before ?? lastMs, lastMs }
  }

  /** Removes acknowledged events from the outbox, collected for a moment so that a busy process needs few writes. */
  async #removeAcknowledged(): Promise<void> {
    await delay(gatherMs)
    while (this.#acknowledged.length > 0) {
      const events = this.#acknowledged
      this.#acknowledged = []
      try {
        metrics.removalSize.observe(events.length)
        await this.#outbox.remove(events)
      } catch (error) {
        this.#logger.error(
          { err: error, events: events.length },
          'cannot remove published events from the outbox; they will be published again',
        )
      }
    }
    this.#removal = undefined
  }

  async #eraseDeleted(): Promise<void> {
    const connection = this.#nats.connection()
    if (!connection) return
    const due = await this.#outbox.toErase(eraseBatch)
    const outcomes = await Promise.allSettled(
      due.map(async ({ _id }) => {
        await this.#onDeleted(_id)
        await eraseHistory(connection, _id)
      }),
    )
    await this.#outbox.erased(due.filter((_, i) => outcomes[i]?.status === 'fulfilled'))
    const failed = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
    if (failed && !this.#erasureFails)
      this.#logger.error({ err: failed.reason }, 'cannot erase deleted users from the stream; retrying')
    this.#erasureFails = failed !== undefined
  }
}

/** Whether the broker can never take this event: it exceeds the server's or the stream's maximum. */
const isTooLarge = (error: unknown): boolean =>
  error instanceof InvalidArgumentError || (error instanceof JetStreamApiError && error.code === messageTooLarge)
/** JSStreamMessageExceedsMaximumErr */
const messageTooLarge = 10_054

const { name: stream } = usersStream
/** Above this many unacknowledged events only the sweeper sends, in batches, so that memory stays bounded. */
const maxInFlight = 1_000
const eraseBatch = 100
const sweepEveryMs = 1_000
const gatherMs = 20
const unwellAfterMs = 5_000
/** Longer than a sweep in which every publish times out. */
const staleAfterMs = 15_000
