import { deadLetterStream, readModelsCollection, usersStream } from '@cqrs/contracts'
import {
  type CollectionPlan,
  ensureCollections,
  ensureStream,
  leasesCollection,
  missingCollections,
  missingStreams,
} from '@cqrs/service-kit'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Db } from 'mongodb'
import { deletions } from './consuming/dead-letter-erasure.ts'
import { type DurableConsumer, ensureDurableConsumer } from './consuming/durable-consumer.ts'
import { projections } from './projections/index.ts'
import { ReadModel } from './read-store/read-model.ts'
import { registrations } from './welcome-email/welcome-email.ts'
import { welcomeEmailsCollection } from './welcome-email/welcome-email-record.ts'

/** Every durable consumer of the stream: one a projection, and one for each other thing that follows from events. */
const consumers: readonly DurableConsumer[] = [
  ...projections.map(({ name }) => ({ durable: name, filterSubjects: usersStream.subjects })),
  registrations,
  deletions,
]

/** Makes everything that the projector needs to find. Safe to repeat. */
export async function createResources(db: Db, nats: NatsConnection, streamReplicas: number): Promise<void> {
  await ensureCollections(db, await collections(db))
  await createBrokerResources(nats, streamReplicas)
}

/** The part of it that a broker can lose: streams and consumers. */
export async function createBrokerResources(nats: NatsConnection, streamReplicas: number): Promise<void> {
  await ensureStream(nats, usersStream, streamReplicas)
  await ensureStream(nats, deadLetterStream, streamReplicas)
  for (const consumer of consumers) await ensureDurableConsumer(nats, consumer)
}

/** What of the read database is missing. */
export const missingInDatabase = async (db: Db): Promise<string[]> => missingCollections(db, await collections(db))

/** What the broker lacks. */
export const missingInBroker = (nats: NatsConnection): Promise<string[]> =>
  missingStreams(nats, [
    { name: usersStream.name, durables: consumers.map(({ durable }) => durable) },
    { name: deadLetterStream.name },
  ])

/** Every collection of the read database, those among them that a rebuild has made. */
async function collections(db: Db): Promise<CollectionPlan[]> {
  const readModels = await Promise.all(projections.map((projection) => new ReadModel(db, projection).collections()))
  const others = [readModelsCollection, welcomeEmailsCollection].map((name) => ({ name, indexes: [] }))
  return [...readModels.flat(), ...others, leasesCollection]
}
