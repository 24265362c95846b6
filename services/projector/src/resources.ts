import { deadLetterStream, readModelsCollection, userEventSubjects, usersStream } from '@cqrs/contracts'
import {
  type CollectionPlan,
  drifted,
  ensureCollections,
  ensureStream,
  leasesCollection,
  missingCollections,
  missingStreams,
  streamConfig,
} from '@cqrs/service-kit'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Db } from 'mongodb'
import {
  consumerConfig,
  type DurableConsumer,
  ensureDurableConsumer,
  existingConsumers,
  removeDurableConsumer,
} from './consuming/durable-consumer.ts'
import { PausedConsumers, pausedConsumersCollection } from './consuming/paused-consumers.ts'
import { projections } from './projections/index.ts'
import { followedCollection } from './read-store/followed-database.ts'
import { ReadModel } from './read-store/read-model.ts'
import { Shapes } from './read-store/shapes.ts'
import { registrations } from './welcome-email/welcome-email.ts'
import { welcomeEmailsCollection } from './welcome-email/welcome-email-record.ts'

/** Every durable consumer of the stream: one for each projection and for each other reaction to events. */
const consumers: readonly DurableConsumer[] = [
  ...projections.map(({ name }) => ({ durable: name, filterSubjects: userEventSubjects })),
  registrations,
]

/** Of earlier releases. The stream would keep events for a consumer that nobody reads. */
const retiredConsumers = ['dead-letter-erasure', 'users_read', 'user_stats']

/** What operators did: the last 1,000 actions. */
export const operatorActionsCollection: CollectionPlan = {
  name: 'operator_actions',
  indexes: [],
  options: { capped: true, size: 2 ** 20, max: 1_000 },
}

/** Creates everything that the projector requires to exist. Safe to repeat. */
export async function createResources(
  db: Db,
  nats: NatsConnection,
  streamReplicas: number,
  maxBytes?: number,
): Promise<void> {
  await new Shapes(db).create()
  await ensureCollections(db, await collections(db))
  await ensureStream(nats, { ...usersStream, ...(maxBytes && { maxBytes }) }, streamReplicas)
  await ensureStream(nats, deadLetterStream, streamReplicas)
  await createConsumers(nats, db)
}

/**
 * Creates the consumers. A broker can lose them, so a running projector does this as well. The streams are then put
 * back by command-api.
 */
export async function createConsumers(nats: NatsConnection, db: Db): Promise<void> {
  const paused = await new PausedConsumers(db).current()
  for (const consumer of consumers) await ensureDurableConsumer(nats, consumer, paused.has(consumer.durable))
  for (const durable of retiredConsumers) await removeDurableConsumer(nats, durable)
}

/** The collections and indexes that the read database lacks. */
export const missingInDatabase = async (db: Db): Promise<string[]> => missingCollections(db, await collections(db))

/** The streams and consumers that the broker lacks. */
export const missingInBroker = (nats: NatsConnection): Promise<string[]> =>
  missingStreams(nats, [
    { name: usersStream.name, durables: consumers.map(({ durable }) => durable) },
    { name: deadLetterStream.name },
  ])

/** What someone has changed in the streams and consumers, other than with `npm run projector -- pause`. */
export const driftedInBroker = async (nats: NatsConnection, db: Db): Promise<string[]> => [
  ...(await drifted(
    nats,
    streamConfig(usersStream),
    consumers.map(consumerConfig),
    await new PausedConsumers(db).current(),
  )),
  ...(await drifted(nats, streamConfig(deadLetterStream))),
  // A projector of an earlier release has put them back.
  ...(await existingConsumers(nats, retiredConsumers)).map((durable) => `consumer ${durable}: it is retired`),
]

/** Every collection of the read database, including those that a rebuild has created. */
async function collections(db: Db): Promise<CollectionPlan[]> {
  const readModels = await Promise.all(projections.map((projection) => new ReadModel(db, projection).collections()))
  return [
    ...readModels.flat(),
    { name: readModelsCollection, indexes: [] },
    welcomeEmailsCollection,
    leasesCollection,
    followedCollection,
    pausedConsumersCollection,
    operatorActionsCollection,
  ]
}
