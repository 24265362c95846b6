import { parseUserEvent, UnreadableEvent, type UserEvent } from '@cqrs/contracts'
import type { Logger, NatsLink } from '@cqrs/service-kit'
import type { JsMsg } from '@nats-io/jetstream'
import { Bell } from './bell.ts'
import { ackWaitMs, type DurableConsumer } from './durable-consumer.ts'
import { MessagePull } from './message-pull.ts'
import * as metrics from './metrics.ts'
import { settle } from './settle.ts'

/** Who is given the events of one durable consumer. */
export type Subscriber = DurableConsumer & {
  /** How many events are handled at once, at most. */
  batchSize: number
  /** Called when an event arrives, once each time that it is delivered. */
  onReceived?: (event: UserEvent) => void
  /**
   * Handles one event or more and returns a promise for each, in their order. An event is handled when its promise is fulfilled;
   * what becomes of it when the promise is rejected depends on the error, see `failures.ts`.
   */
  handle: (events: UserEvent[]) => Promise<unknown>[]
}

/**
 * Hands user events to a subscriber, as many at once as have arrived, and acknowledges each when it is handled. While
 * handling fails, events are kept and tried again with growing pauses. Meanwhile the server is told that they are in
 * work, so that it does not deliver them a second time.
 */
export class UserConsumer {
  readonly durable: string
  readonly #subscriber: Subscriber
  readonly #context: { nats: NatsLink; logger: Logger }
  /** Everything that was delivered and that the server has not heard the last of. */
  readonly #held = new Set<Held>()
  readonly #bell = new Bell()
  readonly #pull: MessagePull
  #working: Promise<void> | undefined
  #keepAlive: NodeJS.Timeout | undefined
  #isFailing = false
  #isClosing = false

  constructor(options: { nats: NatsLink; isSetUp: () => boolean; subscriber: Subscriber; logger: Logger }) {
    const { nats, isSetUp, subscriber } = options
    const logger = options.logger.child({ consumer: subscriber.durable })
    this.durable = subscriber.durable
    this.#subscriber = subscriber
    this.#context = { nats, logger }
    this.#pull = new MessagePull({
      nats,
      durable: subscriber.durable,
      isSetUp,
      batchSize: subscriber.batchSize,
      // One batch in work, and one that waits.
      hasRoom: () => this.#held.size <= subscriber.batchSize,
      onMessage: (message) => this.#receive(message),
      bell: this.#bell,
      logger,
    })
  }

  start(): void {
    this.#pull.start()
    this.#working = this.#work()
    this.#keepAlive = setInterval(() => this.#sayInWork(), ackWaitMs / 3)
  }

  /** False while events cannot be had, or cannot be handled. */
  isWell(): boolean {
    return this.#pull.isWell() && !this.#isFailing
  }

  /**
   * Takes no more events, handles those that are here or on their way, and returns when the server knows. Events that
   * cannot be handled are handed back, for another replica.
   */
  async close(): Promise<void> {
    await this.#pull.close()
    this.#isClosing = true
    this.#bell.ring()
    await this.#working
    clearInterval(this.#keepAlive)
    for (const { message } of this.#held) message.nak()
    await this.#context.nats.connection()?.flush()
  }

  #receive(message: JsMsg): void {
    if (this.#isClosing) {
      message.nak()
      return
    }
    const content = read(message)
    if (!(content instanceof UnreadableEvent)) this.#subscriber.onReceived?.(content)
    this.#held.add({ message, content, failures: 0, dueAt: 0 })
    this.#bell.ring()
  }

  async #work(): Promise<void> {
    while (!this.#isClosing || (this.#held.size > 0 && !this.#isFailing)) {
      const held = [...this.#held]
      const now = Date.now()
      const due = held.filter(({ dueAt }) => dueAt <= now).slice(0, this.#subscriber.batchSize)
      if (due.length > 0) await this.#handle(due)
      else await this.#bell.heard(Math.min(maxBackOffMs, ...held.map(({ dueAt }) => dueAt - now)))
    }
  }

  async #handle(batch: Held[]): Promise<void> {
    metrics.batchSize.observe({ consumer: this.durable }, batch.length)
    const events = batch.flatMap(({ content }) => (content instanceof UnreadableEvent ? [] : [content]))
    const promises = events.length > 0 ? this.#subscriber.handle(events) : []
    const outcomes = new Map<Held['content'], Promise<unknown> | undefined>(zip(events, promises))
    await Promise.all(
      batch.map((held) => this.#settle(held, outcomes.get(held.content) ?? Promise.reject(held.content))),
    )
    this.#bell.ring()
    if (!this.#isFailing || [...this.#held].some(({ failures }) => failures > 0)) return
    this.#isFailing = false
    this.#context.logger.info('events are handled again')
  }

  async #settle(held: Held, outcome: Promise<unknown>): Promise<void> {
    try {
      const isHandled = await settle(held.message, outcome, this.#context)
      this.#held.delete(held)
      if (isHandled) this.#measureLag(held)
    } catch (error) {
      held.failures += 1
      held.dueAt = Date.now() + backOffMs(held.failures)
      if (!this.#isFailing) this.#context.logger.warn({ err: error }, 'events cannot be handled and are kept')
      this.#isFailing = true
    }
  }

  #measureLag({ content }: Held): void {
    if (content instanceof UnreadableEvent) return
    metrics.lagSeconds.observe({ consumer: this.durable }, (Date.now() - Date.parse(content.time)) / 1_000)
  }

  /** The server's clock for each message starts again. Without a connection this would only pile up. */
  #sayInWork(): void {
    if (!this.#context.nats.connection()) return
    for (const { message } of this.#held) message.working()
  }
}

type Held = { message: JsMsg; content: UserEvent | UnreadableEvent; failures: number; dueAt: number }

function read(message: JsMsg): UserEvent | UnreadableEvent {
  try {
    return parseUserEvent(message.data)
  } catch (error) {
    if (error instanceof UnreadableEvent) return error
    throw error
  }
}

const zip = <A, B>(some: A[], others: B[]): [A, B | undefined][] => some.map((one, i) => [one, others[i]])

/** 100 ms, 200 ms, 400 ms, … */
const backOffMs = (failures: number): number => Math.min(100 * 2 ** (failures - 1), maxBackOffMs)
const maxBackOffMs = 5_000
