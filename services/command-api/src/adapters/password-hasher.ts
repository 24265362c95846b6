import { availableParallelism } from 'node:os'
import { Refusal } from '@cqrs/contracts'
import argon2 from 'argon2'
import pLimit from 'p-limit'

export type PasswordHasher = ReturnType<typeof passwordHasher>

/**
 * argon2id at OWASP's parameters (Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane).
 *
 * Hashes run about one a core: argon2 shares libuv's four threads with the name service and files, and more at once
 * would delay those by seconds. Beyond a second's worth of waiting ones the answer is `overloaded` at once.
 */
export function passwordHasher({ memoryKib, iterations }: { memoryKib: number; iterations: number }) {
  const options = { type: argon2.argon2id, memoryCost: memoryKib, timeCost: iterations, parallelism: 1 } as const
  const limit = pLimit(Math.min(availableParallelism(), 4))
  const maxWaiting = limit.concurrency * 40
  const queued = <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (limit.pendingCount >= maxWaiting) throw new Refusal('overloaded', { retryAfterSeconds: 1 })
    return limit(work)
  }
  let admitted = 0
  const decoy = argon2.hash('nobody has this password', options)

  return {
    /**
     * Does what comes to a hash some look-ups later. So what would be too much to hash is refused before them, and does
     * not crowd the database either. @throws Refusal `overloaded`
     */
    async admit<Result>(work: () => Promise<Result>): Promise<Result> {
      if (admitted >= limit.concurrency + maxWaiting) throw new Refusal('overloaded', { retryAfterSeconds: 1 })
      admitted++
      try {
        return await work()
      } finally {
        admitted--
      }
    },

    /** @returns the PHC string. @throws Refusal `overloaded` */
    hash: async (password: string): Promise<string> => queued(() => argon2.hash(password, options)),

    /**
     * Whether the password fits the digest. Without a digest (no such user) it takes as long and says no.
     * @throws Refusal `overloaded`
     */
    verify: async (digest: string | undefined, password: string): Promise<boolean> =>
      queued(async () => (await argon2.verify(digest ?? (await decoy), password)) && digest !== undefined),
  }
}
