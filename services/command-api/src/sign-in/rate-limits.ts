import { Refusal } from '@cqrs/contracts'
import { Counter } from '@cqrs/service-kit'
import type { Db } from 'mongodb'
import { RateLimiterMemory, RateLimiterMongo, RateLimiterRes } from 'rate-limiter-flexible'

/** Limits the requests of one client per minute, also of those that fail. 0: no limit. */
export type RateLimits = { consume(what: Limited, client: string): Promise<void> }
type Limited = 'register' | 'log-in' | 'refresh' | 'change'

/** Counters of the current minute for each route and source, shared by all replicas. */
export const rateLimitsCollection = 'rate_limits'
export const rateLimitsIndexes = [
  { name: 'key', key: { key: 1 }, unique: true },
  { name: 'expiry', key: { expire: 1 }, expireAfterSeconds: 0 },
] as const

/**
 * Counts in MongoDB, and changes in memory. While MongoDB is unavailable `consume` fails, as the route itself would.
 * `consume` throws the Refusal `rate-limited`.
 */
export function rateLimits(db: Db, perMinute: Record<Limited, number>): RateLimits {
  const limiterOf = (what: Limited) =>
    new RateLimiterMongo({
      storeClient: db,
      tableName: rateLimitsCollection,
      disableIndexesCreation: true,
      keyPrefix: what,
      points: perMinute[what],
      duration: 60,
      // A source above its limit is refused from memory, so that a flood does not reach the database.
      inMemoryBlockOnConsumed: perMinute[what] + 1,
    })
  for (const limit of Object.keys(perMinute)) limited.inc({ limit }, 0)
  const limiters = {
    register: limiterOf('register'),
    'log-in': limiterOf('log-in'),
    refresh: limiterOf('refresh'),
    // A change reads two documents and writes one: a shared count would add a write to each.
    change: new RateLimiterMemory({ points: perMinute.change, duration: 60 }),
  }

  return {
    async consume(what, client) {
      if (perMinute[what] === 0) return
      try {
        await limiters[what].consume(client)
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused
        limited.inc({ limit: what })
        throw new Refusal('rate-limited', { retryAfterSeconds: Math.ceil(refused.msBeforeNext / 1000) })
      }
    },
  }
}

const limited = new Counter({
  name: 'rate_limited_total',
  help: 'Requests refused because a client exceeded a limit',
  labelNames: ['limit'],
})
