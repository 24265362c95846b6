import { jetstreamManager, StorageType, type StreamConfig } from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'

/**
 * Creates the stream, or brings an existing one to this configuration; safe when several processes do it at once.
 * File storage; JetStream's default limits, so messages stay until purged.
 */
export async function ensureStream(
  nats: NatsConnection,
  stream: { name: string; subjects: readonly string[]; duplicateWindowMs?: number },
  replicas: number,
): Promise<void> {
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
