import {
  type ConsumerInfo,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  StorageType,
  type StoredMsg,
  type StreamAPI,
  type StreamConfig,
} from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'
import Type from 'typebox'
import { ConfigError } from '../process/config.ts'
import { stamped } from './drift.ts'

/** A JetStream stream, as contracts defines it. */
export type StreamPlan = {
  name: string
  subjects: readonly string[]
  duplicateWindowMs?: number
  maxPerSubject?: number
  maxAgeMs: number
  /** The server reserves them for the stream (default: no limit). */
  maxBytes?: number
  whenFull: 'refuse' | 'drop-oldest'
}

/** The settings of a process that creates the stream of events. */
export const streamSettings = {
  STREAM_REPLICAS: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 5,
    description: 'Replicas of the event stream; 3 in production',
  }),
  STREAM_MAX_BYTES: Type.Integer({
    default: 2 ** 30,
    minimum: 2 ** 20,
    description: 'Maximum size of the event stream in bytes; NATS reserves it, so it must be below `max_file_store`',
  }),
}

/**
 * Creates the stream or updates it to this configuration; several processes may do so at once.
 * @throws ConfigError if the server has no room for `maxBytes`
 */
export async function ensureStream(nats: NatsConnection, stream: StreamPlan, replicas: number): Promise<void> {
  const config = stamped({ ...streamConfig(stream), num_replicas: replicas })
  const { streams } = await jetstreamManager(nats, { checkAPI: false })
  // To add a stream that exists would need its bytes a second time.
  const ensure = async () =>
    (await ifExists(streams.info(stream.name))) ? streams.update(stream.name, config) : streams.add(config)
  try {
    await ensure().catch(ensure) // another process may have created it in between
  } catch (error) {
    if (!isWithoutRoom(error)) throw error
    throw new ConfigError(`NATS has no ${stream.maxBytes} bytes for stream ${stream.name}: see STREAM_MAX_BYTES`)
  }
}

/** The configuration of a stream, but for its replicas. */
export const streamConfig = (stream: StreamPlan): Partial<StreamConfig> & { name: string } => ({
  name: stream.name,
  subjects: [...stream.subjects],
  storage: StorageType.File,
  max_age: nanos(stream.maxAgeMs),
  max_bytes: stream.maxBytes ?? -1,
  discard: stream.whenFull === 'refuse' ? DiscardPolicy.New : DiscardPolicy.Old,
  max_msgs_per_subject: stream.maxPerSubject ?? -1,
  ...(stream.duplicateWindowMs && { duplicate_window: nanos(stream.duplicateWindowMs) }),
})

const codeOf = (error: unknown) => (error instanceof JetStreamApiError ? error.code : undefined)
/** JSStorageResourcesExceededErr; in a cluster JSClusterNoPeersErrF, which has other reasons as well. */
const isWithoutRoom = (error: unknown) =>
  codeOf(error) === 10_047 || (codeOf(error) === 10_005 && /insufficient storage/.test((error as Error).message))

/** Lists the missing ones of these streams and durable consumers: `stream USERS`, `consumer USERS.users_read_v1`. */
export async function missingStreams(
  nats: NatsConnection,
  streams: readonly { name: string; durables?: readonly string[] }[],
): Promise<string[]> {
  const manager = await jetstreamManager(nats, { checkAPI: false })
  const missing = streams.map(async ({ name, durables = [] }) => {
    if (!(await ifExists(manager.streams.info(name)))) return [`stream ${name}`]
    const consumers = await Promise.all(durables.map((durable) => ifExists(manager.consumers.info(name, durable))))
    return durables.filter((_, i) => !consumers[i]).map((durable) => `consumer ${name}.${durable}`)
  })
  return (await Promise.all(missing)).flat()
}

/**
 * The first message after a sequence that a consumer's filters match, by the leader of the stream. `num_pending` is no
 * substitute: the consumer's own server counts it in its copy of the stream, which can lack messages for minutes (seen
 * with NATS 2.14.0).
 */
export async function nextMessage(
  streams: StreamAPI,
  { stream_name, config }: ConsumerInfo,
  afterSeq: number,
): Promise<StoredMsg | undefined> {
  const { filter_subjects, filter_subject = '>' } = config
  const queries = (filter_subjects ?? [filter_subject]).map((next_by_subj) => ({ seq: afterSeq + 1, next_by_subj }))
  const found = await Promise.all(queries.map((query) => streams.getMessage(stream_name, query)))
  return found.filter((message) => message !== null).sort((one, other) => one.seq - other.seq)[0]
}

/**
 * The answer about a stream or consumer. Undefined only if the server says that it does not exist; without an answer it
 * is unknown, and this throws.
 */
export async function ifExists<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer
  } catch (error) {
    if (notFound.has(codeOf(error) ?? 0)) return undefined
    throw error
  }
}

const notFound = new Set<number>([JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound])
