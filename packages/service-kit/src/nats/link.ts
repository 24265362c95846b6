import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '../process/logger.ts'
import { pause } from '../process/pause.ts'

/** A connection to NATS that reconnects by itself, and for which a process need not wait at its start. */
export type NatsLink = {
  /**
   * Registers a handler that is called after the first connect and after each reconnect. To be registered before `start`.
   * Subscriptions outlive reconnects, so a handler makes them only where `isFirst`. What it throws is logged.
   */
  onConnected(handler: ConnectedHandler): void
  /** Begins to connect, in the background, and keeps the connection for as long as the process runs. */
  start(): void
  /** The connection while it is up, else undefined. */
  connection(): NatsConnection | undefined
  /** Drains: what was published is sent, then the connection ends. */
  close(): Promise<void>
}

type ConnectedHandler = (connection: NatsConnection, at: { isFirst: boolean }) => Promise<void> | void

/** A link to the server at this URL. `name` identifies the client to the server's operator. */
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
    for (const handler of handlers) void handle(handler, nats, isFirst)
  }
  const handle = async (handler: ConnectedHandler, nats: NatsConnection, isFirst: boolean) => {
    try {
      await handler(nats, { isFirst })
    } catch (error) {
      logger.error({ err: error }, 'NATS set-up failed')
    }
  }

  const run = async () => {
    const first = await firstConnection(options, closing.signal)
    if (!first) return
    if (closing.signal.aborted) {
      await first.close()
      return
    }
    connection = first
    connected(connection, true)
    for await (const { type } of connection.status()) {
      if (type === 'reconnect') connected(connection, false)
      if (type === 'disconnect') {
        isUp = false
        logger.warn('NATS is away')
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

/** Tries until NATS is there, twice a second; undefined once closing. */
async function firstConnection(
  { url, name, logger }: { url: string; name: string; logger: Logger },
  closing: AbortSignal,
): Promise<NatsConnection | undefined> {
  for (let attempt = 1; !closing.aborted; attempt++) {
    try {
      return await connect({ servers: url, name, maxReconnectAttempts: -1, reconnectTimeWait: 250, timeout: 2_000 })
    } catch (error) {
      if (attempt === 1) logger.warn({ err: error }, 'NATS is away')
      await pause(500, closing)
    }
  }
  return undefined
}
