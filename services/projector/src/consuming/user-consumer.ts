import { setTimeout as delay } from 'node:timers/promises'
import { aboutEvent, originalSubject, UnreadableEvent, type UserEvent, usersStream } from '@cqrs/contracts'
import { type Logger, type Measured, type NatsLink, tracing } from '@cqrs/service-kit'
import { type Consumer, type JsMsg, jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { ConsumerProgress } from './consumer-progress.ts'
import { countDeadLetters } from './dead-letters.ts'
import { ackWaitMs, type DurableConsumer } from './durable-consumer.ts'
import { type HeldMessage, Inbox } from './inbox.ts'
import * as metrics from './metrics.ts'
import { isNewer, maxRedeliveryMs, settle } from './settle.ts'

/** Who receives the events of one durable consumer. */
export type Subscriber = DurableConsumer & {
  /** Maximum number of events handled at once. */
  batchSize: number
  /** Older events are acknowledged and not handled, unless an operator replays them. */
  maxAgeMs?: number
  /** Called when an event arrives, once for each delivery. */
  onReceived?: (event: UserEvent) => void
  /**
   * Handles one or more events and returns a promise for each, in their order. An event is handled when its promise is
   * fulfilled; the error of a rejected promise decides what happens to the event, see `failures.ts`.
   */
  handle: (events: UserEvent[]) => Promise<unknown>[]
}

/**
 * Pulls the events of a durable consumer, hands them to a subscriber in batches, and acknowledges each when it is
 * handled. While handling fails, events are kept and retried with exponential back-off, and the server is told that
 * they are in progress, so that it does not redeliver them.
 */
export class UserConsumer {
  readonly durable: string
  readonly #nats: NatsLink
  readonly #isSetUp: () => boolean
  readonly #subscriber: Subscriber
  readonly #logger: Logger
  readonly #inbox = new Inbox()
  readonly #measured: Measured
  #pulling: Promise<void> | undefined
  #handling: Promise<void> | undefined
  #keepAlive: NodeJS.Timeout | undefined
  #isPulling = false
  #isHandling = false
  /** Why the last fetch failed. */
  #fetchError: string | undefined
  #newerSeenAt = Number.NEGATIVE_INFINITY
  #waiting: number | undefined
  #isStalled = false
  #flowCheck: NodeJS.Timeout | undefined

  /** @param options.isSetUp whether the resources that `migrate` creates exist; nothing is fetched before */
  constructor(options: { nats: NatsLink; isSetUp: () => boolean; subscriber: Subscriber; logger: Logger }) {
    this.durable = options.subscriber.durable
    this.#nats = options.nats
    this.#isSetUp = options.isSetUp
    this.#subscriber = options.subscriber
    this.#logger = options.logger.child({ consumer: this.durable })
    metrics.initialise(this.durable)
    this.#measured = metrics.measureConsumer({
      durable: this.durable,
      lag: () => new ConsumerProgress(this.#nats).lag(this.durable),
      deadLetters: () => countDeadLetters(this.#nats, this.durable),
    })
  }

  start(): void {
    this.#isPulling = true
    this.#isHandling = true
    this.#pulling = this.#pull()
    this.#handling = this.#handleDue()
    this.#keepAlive = setInterval(() => this.#reportProgress(), ackWaitMs / 3)
    this.#flowCheck = setInterval(() => void this.#checkFlow(), checkFlowMs)
    this.#measured.start()
  }

  /** Why events cannot be fetched although NATS is connected, or wait without being delivered; empty if all is well. */
  problems(): string[] {
    const consumer = `consumer ${usersStream.name}.${this.durable}`
    if (this.#fetchError) return [`${consumer}: events cannot be fetched: ${this.#fetchError}`]
    return this.#isStalled ? [`${consumer}: events wait, and none is delivered`] : []
  }

  /** False while events cannot be fetched, as above, or cannot be handled. */
  isWell(): boolean {
    return this.problems().length === 0 && !this.#inbox.hasFailed
  }

  /** Whether events that only a newer process can read were delivered here lately. */
  awaitsNewer(): boolean {
    return Date.now() - this.#newerSeenAt < 2 * maxRedeliveryMs
  }

  /**
   * Stops fetching, handles the events that were delivered, and returns when the server has every acknowledgement.
   * Events that cannot be handled are handed back, for another replica.
   */
  async close(): Promise<void> {
    await this.#measured.close()
    this.#isPulling = false
    this.#inbox.wake()
    // The last fetch is left to expire, which it may not while the connection is down: see `#pull`.
    await Promise.race([this.#pulling, delay(fetchMs + 500, undefined, { ref: false })])
    this.#isHandling = false
    this.#inbox.wake()
    await this.#handling
    clearInterval(this.#keepAlive)
    clearInterval(this.#flowCheck)
    for (const { message } of this.#inbox.held) message.nak()
    await this.#nats.connection()?.flush()
  }

  // Not the client's `consume` (3.4): `stop` unsubscribes at once, so messages in flight are stuck for `ack_wait`, and
  // while nobody reads, missed heartbeats queue more requests: after a pause of 12 s, 5,000 messages came instead of
  // 500.
  async #pull(): Promise<void> {
    let source: { connection: NatsConnection; consumer: Consumer } | undefined
    while (this.#isPulling) {
      const connection = this.#nats.connection()
      if (!connection || !this.#isSetUp() || !this.#hasRoom) {
        await this.#inbox.sleep(retryFetchMs)
        continue
      }
      try {
        if (source?.connection !== connection)
          source = { connection, consumer: await jetstream(connection).consumers.get(usersStream.name, this.durable) }
        this.#fetchError = undefined
        const messages = await source.consumer.fetch({ max_messages: this.#subscriber.batchSize, expires: fetchMs })
        for await (const message of messages) this.#receive(message)
      } catch (error) {
        source = undefined // it may have been deleted
        if (!this.#fetchError) this.#logger.warn({ err: error }, 'cannot fetch events from JetStream')
        this.#fetchError = String(error)
        await this.#inbox.sleep(retryFetchMs)
      }
    }
  }

  /** For one batch that is handled and one that waits. */
  get #hasRoom(): boolean {
    return this.#inbox.held.size <= this.#subscriber.batchSize
  }

  #receive(message: JsMsg): void {
    if (!this.#isHandling) {
      message.nak()
      return
    }
    const { content } = this.#inbox.add(message)
    if (isNewer(content)) this.#noteNewer()
    if (!(content instanceof UnreadableEvent)) this.#subscriber.onReceived?.(content)
  }

  async #handleDue(): Promise<void> {
    while (this.#isHandling || (this.#inbox.held.size > 0 && !this.#inbox.hasFailed)) {
      const due = this.#inbox.due(this.#subscriber.batchSize)
      if (due.length > 0) await this.#handle(due)
      else await this.#inbox.nextDue()
    }
  }

  async #handle(batch: HeldMessage[]): Promise<void> {
    metrics.batchSize.observe({ consumer: this.durable }, batch.length)
    const tooOld = new Set(batch.filter((held) => this.#isTooOld(held)).map(({ content }) => content))
    const events = batch.flatMap(({ content }) =>
      content instanceof UnreadableEvent || tooOld.has(content) ? [] : [content],
    )
    const about = { stream: usersStream.name, consumer: this.durable }
    const promises = events.length > 0 ? tracing.inSpans(about, events, () => this.#subscriber.handle(events)) : []
    const outcomes = new Map<unknown, Promise<unknown> | undefined>(events.map((event, i) => [event, promises[i]]))
    const hadFailed = this.#inbox.hasFailed
    await Promise.all(
      batch.map((held) => {
        const skipped = tooOld.has(held.content) ? Promise.resolve() : undefined
        return this.#settle(held, outcomes.get(held.content) ?? skipped ?? Promise.reject(held.content))
      }),
    )
    this.#inbox.wake() // there may be room for another batch
    if (hadFailed && !this.#inbox.hasFailed) this.#logger.info('events are handled again')
  }

  async #settle(held: HeldMessage, outcome: Promise<unknown>): Promise<void> {
    try {
      const isHandled = await settle(held, outcome, { nats: this.#nats, logger: this.#logger })
      this.#inbox.held.delete(held)
      if (!isHandled || !('time' in held.content)) return
      metrics.lagSeconds.observe({ consumer: this.durable }, (Date.now() - Date.parse(held.content.time)) / 1_000)
    } catch (error) {
      if (!this.#inbox.hasFailed) this.#logger.warn({ err: error }, 'cannot handle events; keeping them to retry')
      this.#inbox.postpone(held)
    }
  }

  #isTooOld({ content, message }: HeldMessage): boolean {
    const { maxAgeMs = Number.POSITIVE_INFINITY } = this.#subscriber
    if (content instanceof UnreadableEvent || originalSubject(message.subject) !== message.subject) return false
    if (Date.now() - Date.parse(content.time) <= maxAgeMs) return false
    this.#logger.warn({ ...aboutEvent(content), time: content.time }, 'event is too old and was not handled')
    return true
  }

  #noteNewer(): void {
    if (!this.awaitsNewer()) this.#logger.warn('events have a newer schema version and wait for a newer projector')
    this.#newerSeenAt = Date.now()
  }

  /**
   * Whether the event that waits was not delivered to any replica since the last check, although this one has room: the
   * consumer is paused, has too many unacknowledged messages, or is led by a server that lacks events.
   */
  async #checkFlow(): Promise<void> {
    try {
      const progress = new ConsumerProgress(this.#nats)
      const waiting = await progress.waiting(this.durable)
      const isStalled = this.#hasRoom && waiting !== undefined && waiting === this.#waiting
      if (isStalled && !this.#isStalled) this.#logger.warn({ waiting }, 'events wait, but JetStream delivers none')
      this.#isStalled = isStalled
      this.#waiting = waiting
      if (isStalled && (await progress.changeLeader(this.durable)))
        this.#logger.warn({ waiting }, 'the leader of the consumer lacks events; another server is to lead it')
    } catch {
      // NATS or the consumer is unavailable, which other checks report.
    }
  }

  /** Restarts `ack_wait` for each message. Without a connection the client would buffer this. */
  #reportProgress(): void {
    if (!this.#nats.connection()) return
    for (const { message } of this.#inbox.held) message.working()
  }
}

/**
 * A fetch returns messages as they arrive until it expires, so this bounds how long a stop takes. The client expects a
 * heartbeat in half the time, and fails the fetch when two are missed.
 */
const fetchMs = 2_000

const retryFetchMs = 200
const checkFlowMs = 5_000
