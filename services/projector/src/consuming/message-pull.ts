import { setTimeout as delay } from 'node:timers/promises'
import { usersStream } from '@cqrs/contracts'
import type { Logger, NatsLink } from '@cqrs/service-kit'
import { type Consumer, type JsMsg, jetstream } from '@nats-io/jetstream'
import type { Bell } from './bell.ts'

/**
 * Asks a durable consumer for messages for as long as the process runs: again when the server comes back, and from a
 * consumer made anew when it has lost its data.
 */
export class MessagePull {
  readonly #options: Options
  #pulling: Promise<void> | undefined
  #isFailing = false
  #isClosing = false

  constructor(options: Options) {
    this.#options = options
  }

  start(): void {
    this.#pulling = this.#pull()
  }

  /** False when there is a server but no messages can be had from it. */
  isWell(): boolean {
    return !this.#isFailing
  }

  /**
   * Asks no more, and returns when the last request is over. The request is left to end by itself: cutting it off would
   * lose what the server is just sending until `ack_wait` is over.
   */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#options.bell.ring()
    // While the server is away the request has no end to wait for.
    await Promise.race([this.#pulling, delay(requestMs + 500)])
  }

  async #pull(): Promise<void> {
    const { nats, durable, isSetUp, batchSize, hasRoom, onMessage, bell, logger } = this.#options
    let source: Consumer | undefined
    while (!this.#isClosing) {
      const connection = nats.connection()
      if (!connection || !isSetUp() || !hasRoom()) {
        await bell.heard(connectionCheckMs)
        continue
      }
      try {
        source ??= await jetstream(connection).consumers.get(usersStream.name, durable)
        this.#isFailing = false
        const messages = await source.fetch({ max_messages: batchSize, expires: requestMs })
        for await (const message of messages) onMessage(message)
      } catch (error) {
        source = undefined
        if (!this.#isFailing) logger.warn({ err: error }, 'no events can be had')
        this.#isFailing = true
        await bell.heard(connectionCheckMs)
      }
    }
  }
}

type Options = {
  nats: NatsLink
  durable: string
  /** Whether there is what `migrate` makes. */
  isSetUp: () => boolean
  /** How many messages are asked for at once. */
  batchSize: number
  /** Whether another batch may be asked for; the bell tells of changes. */
  hasRoom: () => boolean
  onMessage: (message: JsMsg) => void
  bell: Bell
  logger: Logger
}

/**
 * A request is answered with messages as they come, until this time is up. It bounds how long a stop takes. The client
 * asks for a sign of life twice as often, and a server is taken for dead after two missed ones.
 */
const requestMs = 2_000

const connectionCheckMs = 200
