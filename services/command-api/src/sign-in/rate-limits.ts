import { Refusal } from '@cqrs/contracts'
import type { Db } from 'mongodb'
import { RateLimiterMongo, RateLimiterRes } from 'rate-limiter-flexible'

/** How often each of these may be asked from one source in a minute, whatever comes of it; 0: as often as it likes. */
export type RateLimits = { consume(what: Limited, source: string): Promise<void> }
type Limited = 'register' | 'log-in' | 'refresh'

/** Counters of the minute that runs, by route and source; all replicas count in the same ones. */
export const rateLimitsCollection = 'rate_limits'
export const rateLimitsIndexes = [
  { name: 'key', key: { key: 1 }, unique: true },
  { name: 'expiry', key: { expire: 1 }, expireAfterSeconds: 0 },
] as const

/**
 * Counts in MongoDB. Where that is away `consume` fails as the route would, which needs it as well.
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
      // Who is over the limit is refused from memory: a flood does not reach the database.
      inMemoryBlockOnConsumed: perMinute[what] + 1,
    })
  const limiters = { register: limiterOf('register'), 'log-in': limiterOf('log-in'), refresh: limiterOf('refresh') }

  return {
    async consume(what, source) {
      if (perMinute[what] === 0) return
      try {
        await limiters[what].consume(source)
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused
        throw new Refusal('rate-limited', { retryAfterSeconds: Math.ceil(refused.msBeforeNext / 1000) })
      }
    },
  }
}
