import {
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'
import { stamped } from './drift.ts'

/** A JetStream stream, as contracts defines it. */
export type StreamPlan = { name: string; subjects: readonly string[]; duplicateWindowMs?: number }

/**
 * Creates the stream or updates it to this configuration; several processes may do so at once. It uses file storage and
 * JetStream's default limits, so messages stay until they are purged.
 */
export async function ensureStream(nats: NatsConnection, stream: StreamPlan, replicas: number): Promise<void> {
  const config = stamped({ ...streamConfig(stream), num_replicas: replicas })
  const manager = await jetstreamManager(nats)
  await manager.streams.add(config).catch(() => manager.streams.update(stream.name, config))
}

/** The configuration of a stream, but for its replicas. */
export const streamConfig = (stream: StreamPlan): Partial<StreamConfig> & { name: string } => ({
  name: stream.name,
  subjects: [...stream.subjects],
  storage: StorageType.File,
  ...(stream.duplicateWindowMs && { duplicate_window: nanos(stream.duplicateWindowMs) }),
})

/** Lists the missing ones of these streams and durable consumers: `stream USERS`, `consumer USERS.users_read`. */
export async function missingStreams(
  nats: NatsConnection,
  streams: readonly { name: string; durables?: readonly string[] }[],
): Promise<string[]> {
  const manager = await jetstreamManager(nats, { checkAPI: false })
  const missing = streams.map(async ({ name, durables = [] }) => {
    if (!(await exists(manager.streams.info(name)))) return [`stream ${name}`]
    const found = await Promise.all(durables.map((durable) => exists(manager.consumers.info(name, durable))))
    return durables.filter((_, i) => !found[i]).map((durable) => `consumer ${name}.${durable}`)
  })
  return (await Promise.all(missing)).flat()
}

/** False only if the server says so; without an answer it is unknown, and this throws. */
async function exists(info: Promise<unknown>): Promise<boolean> {
  try {
    await info
    return true
  } catch (error) {
    if (error instanceof JetStreamApiError && notFound.has(error.code)) return false
    throw error
  }
}

const notFound = new Set<number>([JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound])
