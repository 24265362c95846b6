import {
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'

/** A stream of JetStream as contracts names it. */
export type StreamPlan = { name: string; subjects: readonly string[]; duplicateWindowMs?: number }

/**
 * Creates the stream, or brings an existing one to this configuration; safe when several processes do it at once.
 * File storage; JetStream's default limits, so messages stay until purged.
 */
export async function ensureStream(nats: NatsConnection, stream: StreamPlan, replicas: number): Promise<void> {
  const config: Partial<StreamConfig> & { name: string } = {
    name: stream.name,
    subjects: [...stream.subjects],
    storage: StorageType.File,
    num_replicas: replicas,
    ...(stream.duplicateWindowMs && { duplicate_window: nanos(stream.duplicateWindowMs) }),
  }
  const manager = await jetstreamManager(nats)
  await manager.streams.add(config).catch(() => manager.streams.update(stream.name, config))
}

/** Which of these streams, and of the durable consumers of a stream, are missing: `stream USERS`, `consumer USERS.users_read`. */
export async function missingStreams(
  nats: NatsConnection,
  streams: readonly { name: string; durables?: readonly string[] }[],
): Promise<string[]> {
  const manager = await jetstreamManager(nats, { checkAPI: false })
  const missing = streams.map(async ({ name, durables = [] }) => {
    if (!(await isThere(manager.streams.info(name)))) return [`stream ${name}`]
    const found = await Promise.all(durables.map((durable) => isThere(manager.consumers.info(name, durable))))
    return durables.filter((_, i) => !found[i]).map((durable) => `consumer ${name}.${durable}`)
  })
  return (await Promise.all(missing)).flat()
}

/** Only the server's own word counts: no answer says nothing. */
async function isThere(asking: Promise<unknown>): Promise<boolean> {
  try {
    await asking
    return true
  } catch (error) {
    if (error instanceof JetStreamApiError && notFound.has(error.code)) return false
    throw error
  }
}

const notFound = new Set<number>([JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound])
