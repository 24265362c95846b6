import type { DurableConsumer } from './durable-consumer.ts'
import type { Subscriber } from './user-consumer.ts'

export const deletions: DurableConsumer = { durable: 'dead-letter-erasure', filterSubjects: ['users.*.deleted'] }

/** Erases the dead letters of a user who is deleted. */
export const deadLetterErasure = (erase: (userId: string) => Promise<void>): Subscriber => ({
  ...deletions,
  batchSize: 50,
  handle: (events) => events.map(({ subject }) => erase(subject)),
})
