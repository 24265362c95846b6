import type { DurableConsumer } from './durable-consumer.ts'
import type { Subscriber } from './user-consumer.ts'

export const deletions: DurableConsumer = { durable: 'dead-letter-erasure', filterSubjects: ['users.*.deleted'] }

/** When a user is deleted, what was set aside of it goes too. */
export const deadLetterErasure = (erase: (userId: string) => Promise<void>): Subscriber => ({
  ...deletions,
  batchSize: 50,
  handle: (events) => events.map(({ subject }) => erase(subject)),
})
