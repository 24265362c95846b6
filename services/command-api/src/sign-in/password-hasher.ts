import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism, constants, getPriority, platform, setPriority } from 'node:os'
import { Refusal } from '@cqrs/contracts'
import { Counter, gauges, Histogram, shares } from '@cqrs/service-kit'
import argon2 from 'argon2'
import pLimit from 'p-limit'
import type { Config } from '../config.ts'
import { type Owner, passwordPolicy } from '../domain/password-policy.ts'
import { commonPasswords } from './common-passwords.ts'

export type PasswordHasher = ReturnType<typeof passwordHasher>

/**
 * argon2id with OWASP's parameters (Password Storage Cheat Sheet: 19 MiB, 2 iterations, 1 lane).
 *
 * About one hash runs per core: argon2 shares libuv's four threads with DNS look-ups and files, which more hashes would
 * delay by seconds. If about a second's worth of hashes is waiting, the next one is refused with `overloaded`.
 */
export function passwordHasher(config: Settings) {
  const options = {
    type: argon2.argon2id,
    memoryCost: config.ARGON2_MEMORY_KIB,
    timeCost: config.ARGON2_ITERATIONS,
    parallelism: 1,
  } as const
  const refuseCommon =
    config.PASSWORD_DENY_COMMON === 'on' ? passwordPolicy(config.JWT_ISSUER, commonPasswords) : () => {}
  const limit = pLimit(Math.min(availableParallelism(), 4))
  const maxWaiting = limit.concurrency * 40
  const onRefused = () => refused.inc()
  const overloaded = () => {
    onRefused()
    return new Refusal('overloaded', { retryAfterSeconds: 1 })
  }
  const queued = <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (limit.pendingCount >= maxWaiting) throw overloaded()
    const observe = waits.startTimer()
    return limit(() => {
      observe()
      return work()
    })
  }
  let admitted = 0
  const inShare = shares({ running: limit.concurrency, waiting: maxWaiting, onRefused })
  const decoy = argon2.hash('nobody has this password', options)
  // libuv starts all of its threads at the first hash. If the priority cannot be changed, hashing still works.
  decoy.then(lowerPriority).catch(() => {})

  return {
    queueLength: () => limit.pendingCount,

    /**
     * Bounds work that ends in a hash, of each client (a source, or a caller) and of all: what would exceed a queue is
     * refused before its look-ups, and does not load the database.
     * @throws Refusal `rate-limited`, `overloaded`
     */
    admit: <Result>(client: string, work: () => Promise<Result>): Promise<Result> =>
      inShare(client, async () => {
        if (admitted >= limit.concurrency + maxWaiting) throw overloaded()
        admitted++
        try {
          return await work()
        } finally {
          admitted--
        }
      }),

    /**
     * Hashes a new password, after the password policy.
     * @returns the PHC string
     * @throws Refusal `password-too-common`, `overloaded`
     */
    async hash(password: string, owner: Owner): Promise<string> {
      refuseCommon(password, owner)
      return queued(() => argon2.hash(composed(password), options))
    },

    /** A new hash of a password that has just been verified; undefined if its digest has the current parameters. */
    async rehash(digest: string, password: string): Promise<string | undefined> {
      if (!argon2.needsRehash(digest, options)) return undefined
      return queued(() => argon2.hash(composed(password), options))
    },

    /**
     * Whether the password matches the digest. Without a digest (no such user) it takes as long and returns false.
     * Digests from before passwords were composed match what was typed then.
     * @throws Refusal `overloaded`
     */
    verify: async (digest: string | undefined, password: string): Promise<boolean> => {
      for (const form of new Set([composed(password), password]))
        if (await queued(async () => argon2.verify(digest ?? (await decoy), form))) return digest !== undefined
      return false
    },
  }
}

export const measureHashing = gauges(
  { password_hash_queue_length: 'Password hashes that wait for a thread' },
  ({ queueLength }: PasswordHasher) => ({ password_hash_queue_length: queueLength() }),
)
const waits = new Histogram({
  name: 'password_hash_wait_seconds',
  help: 'Time that a password hash waited for a thread',
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
})
const refused = new Counter({
  name: 'password_hash_refused_total',
  help: 'Requests refused because the queue of password hashes was full, of all clients or of one',
})

/**
 * Keyboards send the same letter composed or decomposed. The comparison is of the composed form, as RFC 8265 (4.2.2)
 * and NIST SP 800-63B (3.1.1.2) ask.
 */
const composed = (password: string): string => password.normalize('NFC')

/**
 * Lowers the priority of the hashing threads, so that a 20 ms hash does not delay short requests (docs/decisions/0019).
 * Only Linux has a priority for each thread (setpriority(2)).
 */
function lowerPriority(): void {
  if (platform() !== 'linux') return
  const threads = '/proc/self/task'
  const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority
  const priority = Math.min(getPriority() + PRIORITY_BELOW_NORMAL, PRIORITY_LOW)
  for (const id of readdirSync(threads)) {
    if (readFileSync(`${threads}/${id}/comm`, 'utf8').trim() !== 'libuv-worker') continue
    setPriority(Number(id), priority)
  }
}

type Settings = Pick<Config, 'ARGON2_MEMORY_KIB' | 'ARGON2_ITERATIONS' | 'PASSWORD_DENY_COMMON' | 'JWT_ISSUER'>
