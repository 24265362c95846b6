import { deadLetterStream, usersStream } from '@cqrs/contracts'
import {
  type CollectionPlan,
  drifted,
  ensureCollections,
  ensureStream,
  leasesCollection,
  streamConfig,
} from '@cqrs/service-kit'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Db } from 'mongodb'
import { loginBackOffCollection, loginBackOffIndexes } from './sign-in/login-back-off.ts'
import { rateLimitsCollection, rateLimitsIndexes } from './sign-in/rate-limits.ts'
import { sessionsCollection, sessionsIndexes } from './sign-in/sessions.ts'
import { usersCollection, usersIndexes } from './store/user-document.ts'
import { ensureIdentity, identityCollection } from './store/write-database.ts'

/** Every collection of the write database: what `migrate` creates and the readiness check looks for. */
export const collections: readonly CollectionPlan[] = [
  { name: usersCollection, indexes: usersIndexes },
  { name: loginBackOffCollection, indexes: loginBackOffIndexes },
  { name: rateLimitsCollection, indexes: rateLimitsIndexes },
  { name: sessionsCollection, indexes: sessionsIndexes },
  leasesCollection,
  identityCollection,
]

/** Creates the collections, their indexes, the identity of the database and the streams. Safe to repeat. */
export async function createResources(
  db: Db,
  nats: NatsConnection,
  streamReplicas: number,
  maxBytes?: number,
): Promise<void> {
  await ensureCollections(db, collections)
  await ensureIdentity(db)
  await createStreams(nats, streamReplicas, maxBytes)
}

/**
 * Creates both streams. That of events keeps everything until the projector has created its consumers, and knows what
 * to wait for. A broker can lose them, so a running command-api does this as well; the projector has no right to.
 */
export async function createStreams(nats: NatsConnection, replicas: number, maxBytes?: number): Promise<void> {
  await ensureStream(nats, { ...usersStream, ...(maxBytes && { maxBytes }) }, replicas)
  await ensureStream(nats, deadLetterStream, replicas)
}

/** What someone has changed in the streams. */
export const driftedStreams = async (nats: NatsConnection): Promise<string[]> => [
  ...(await drifted(nats, streamConfig(usersStream))),
  ...(await drifted(nats, streamConfig(deadLetterStream))),
]
