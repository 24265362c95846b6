import type { Subscriber } from '../adapters/user-consumer.ts'

/** When a user is deleted, what was set aside of it goes too. */
export const deadLetterErasure = (erase: (userId: string) => Promise<void>): Subscriber => ({
  durable: 'dead-letter-erasure',
  filterSubjects: ['users.*.deleted'],
  batchSize: 50,
  handle: (events) => events.map(({ subject }) => erase(subject)),
})
