import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '../process/logger.ts'
import { pause } from '../process/pause.ts'

/** A connection to NATS that connects and reconnects in the background. */
export type NatsLink = {
  /**
   * Registers, before `start`, a handler for the first connect and each reconnect. Subscriptions survive reconnects, so
   * a handler subscribes only if `isFirst`. Its errors are logged.
   */
  onConnected(handler: ConnectedHandler): void
  /** Starts connecting; the link is kept until `close`. */
  start(): void
  /** The connection while it is up, else undefined. */
  connection(): NatsConnection | undefined
  /** Drains the connection: sends what was published, then closes. */
  close(): Promise<void>
}

type ConnectedHandler = (connection: NatsConnection, at: { isFirst: boolean }) => Promise<void> | void

/** A link to the server at this URL. `name` identifies this client to an operator of the server. */
export function linkNats(options: { url: string; name: string; logger: Logger }): NatsLink {
  const { logger } = options
  const handlers: ConnectedHandler[] = []
  const closing = new AbortController()
  let connection: NatsConnection | undefined
  let isUp = false
  let running: Promise<void> | undefined

  const connected = (nats: NatsConnection, isFirst: boolean) => {
    isUp = true
    logger.info({ server: nats.getServer() }, 'NATS connected')
    const failed = (error: unknown) => logger.error({ err: error }, 'NATS onConnected handler failed')
    for (const handler of handlers) void Promise.try(handler, nats, { isFirst }).catch(failed)
  }

  const run = async () => {
    const first = await firstConnection(options, closing.signal)
    if (!first || closing.signal.aborted) return await first?.close()
    connection = first
    connected(connection, true)
    for await (const { type } of connection.status()) {
      if (type === 'reconnect') connected(connection, false)
      if (type === 'disconnect') {
        isUp = false
        logger.warn('NATS is unavailable')
      }
    }
  }

  return {
    onConnected: (handler) => void handlers.push(handler),
    start: () => {
      running ??= run()
    },
    connection: () => (isUp ? connection : undefined),
    async close() {
      closing.abort()
      if (isUp) await connection?.drain()
      else await connection?.close()
      await running
    },
  }
}

/** Tries to connect twice a second; undefined once closing. */
async function firstConnection(
  { url, name, logger }: { url: string; name: string; logger: Logger },
  closing: AbortSignal,
): Promise<NatsConnection | undefined> {
  for (let attempt = 1; !closing.aborted; attempt++) {
    try {
      return await connect({ servers: url, name, maxReconnectAttempts: -1, reconnectTimeWait: 250, timeout: 2_000 })
    } catch (error) {
      if (attempt === 1) logger.warn({ err: error }, 'NATS is unavailable')
      await pause(500, closing)
    }
  }
  return undefined
}
