import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism, constants, getPriority, platform, setPriority } from 'node:os'
import { Refusal } from '@cqrs/contracts'
import argon2 from 'argon2'
import pLimit from 'p-limit'
import type { Config } from '../config.ts'
import { type Owner, passwordPolicy } from '../domain/password-policy.ts'
import { commonPasswords } from './common-passwords.ts'

export type PasswordHasher = ReturnType<typeof passwordHasher>

/**
 * argon2id at OWASP's parameters (Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane).
 *
 * Hashes run about one a core: argon2 shares libuv's four threads with the name service and files, and more at once
 * would delay those by seconds. Beyond a second's worth of waiting ones the answer is `overloaded` at once.
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
  const queued = <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (limit.pendingCount >= maxWaiting) throw new Refusal('overloaded', { retryAfterSeconds: 1 })
    return limit(work)
  }
  let admitted = 0
  const decoy = argon2.hash('nobody has this password', options)
  // By then libuv has started its threads, all at once. Where it is not allowed, hashes are as good without.
  decoy.then(yieldCores).catch(() => {})

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

    /**
     * For a new password: there is no other way to a hash than past the policy.
     * @returns the PHC string
     * @throws Refusal `password-too-common`, `overloaded`
     */
    async hash(password: string, owner: Owner): Promise<string> {
      refuseCommon(password, owner)
      return queued(() => argon2.hash(password, options))
    },

    /** The hash anew for a password that has just been verified, where the parameters are others than its digest's. */
    async rehash(digest: string, password: string): Promise<string | undefined> {
      if (!argon2.needsRehash(digest, options)) return undefined
      return queued(() => argon2.hash(password, options))
    },

    /**
     * Whether the password fits the digest. Without a digest (no such user) it takes as long and says no.
     * @throws Refusal `overloaded`
     */
    verify: async (digest: string | undefined, password: string): Promise<boolean> =>
      queued(async () => (await argon2.verify(digest ?? (await decoy), password)) && digest !== undefined),
  }
}

/**
 * Gives way with hashes to whatever is short: a hash takes a core for 20 ms, in which a request waits that would take
 * one (docs/decisions/0019). On Linux a thread has a priority of its own (setpriority(2)); elsewhere nothing is changed.
 */
function yieldCores(): void {
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
