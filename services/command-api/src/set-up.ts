import { usersStream } from '@cqrs/contracts'
import { type CollectionPlan, ensureCollections, ensureStream, leasesCollection } from '@cqrs/service-kit'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Db } from 'mongodb'
import { loginBackOffCollection, loginBackOffIndexes } from './adapters/login-back-off.ts'
import { rateLimitsCollection, rateLimitsIndexes } from './adapters/rate-limits.ts'
import { sessionsCollection, sessionsIndexes } from './adapters/sessions.ts'
import { usersCollection, usersIndexes } from './adapters/user-document.ts'

/** Every collection of the write database. */
export const collections: readonly CollectionPlan[] = [
  { name: usersCollection, indexes: usersIndexes },
  { name: loginBackOffCollection, indexes: loginBackOffIndexes },
  { name: rateLimitsCollection, indexes: rateLimitsIndexes },
  { name: sessionsCollection, indexes: sessionsIndexes },
  leasesCollection,
]

/** Makes what command-api needs to find: its collections, their indexes, and the stream of events. Safe to repeat. */
export async function setUp(db: Db, nats: NatsConnection, streamReplicas: number): Promise<void> {
  await ensureCollections(db, collections)
  await ensureStream(nats, usersStream, streamReplicas)
}
