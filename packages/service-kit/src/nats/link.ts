import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '../process/logger.ts'
import { pause } from '../process/pause.ts'

/** A connection to NATS that may be away, at the start too, and comes back by itself. */
export type NatsLink = {
  /** The connection while it is up, else undefined. */
  connection(): NatsConnection | undefined
  /** Drains: what was published is sent, then the connection ends. */
  close(): Promise<void>
}

/**
 * Keeps a connection to NATS for as long as the process runs.
 * Subscriptions outlive reconnects, so they are made at the first connect only.
 * @param onConnected called after the first connect and after each reconnect. If it throws, that is logged.
 */
export function linkNats(options: {
  url: string
  name: string
  logger: Logger
  onConnected?: (connection: NatsConnection, at: { isFirst: boolean }) => Promise<void> | void
}): NatsLink {
  const { logger } = options
  const closing = new AbortController()
  let connection: NatsConnection | undefined
  let isUp = false

  const connected = async (nats: NatsConnection, isFirst: boolean) => {
    isUp = true
    logger.info({ server: nats.getServer() }, 'NATS connected')
    try {
      await options.onConnected?.(nats, { isFirst })
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
    void connected(connection, true)
    for await (const { type } of connection.status()) {
      if (type === 'reconnect') void connected(connection, false)
      if (type === 'disconnect') {
        isUp = false
        logger.warn('NATS is away')
      }
    }
  }
  const running = run()

  return {
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
