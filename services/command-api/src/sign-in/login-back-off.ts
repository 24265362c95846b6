import { createHash } from 'node:crypto'
import type { Collection, Db } from 'mongodb'

/**
 * Failed logins, counted for an account from one source and from all together. Ids are hashes, so that no address is
 * kept of somebody who is no user; a user's own are deleted with it.
 */
type Failures = {
  _id: string
  failures: number
  failedAt?: Date
  waitsUntil?: Date
  /** On one source's document: the right password came from there, so the others' failures do not make it wait. */
  knownUntil?: Date
  expiresAt: Date
}

export const loginBackOffCollection = 'login_back_off'
export const loginBackOffIndexes = [{ name: 'expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 }] as const

/**
 * After some failures an account waits, each time twice as long as before; the tries of that time are not looked at.
 * Mostly it waits for one source only, so that nobody can lock another one out (docs/decisions/0015).
 */
export class LoginBackOff {
  readonly #failures: Collection<Failures>

  constructor(db: Db) {
    this.#failures = db.collection(loginBackOffCollection)
  }

  /** Whether a try is not to be looked at now, be the password right or not. */
  async isWaiting(email: string, source: string): Promise<boolean> {
    return isWaiting(await this.#read(idsOf(email, source)))
  }

  /**
   * Counts a failure. A try that was not looked at, or of a time in which the account waits, is not counted, which takes
   * as long.
   */
  async failed(email: string, source: string, { wasLookedAt }: { wasLookedAt: boolean }): Promise<void> {
    const ids = idsOf(email, source)
    await this.#failures.bulkWrite(
      [
        { updateOne: { filter: { _id: ids.bySource }, update: counted(rules.bySource, wasLookedAt), upsert: true } },
        { updateOne: { filter: { _id: ids.overall }, update: counted(rules.overall, wasLookedAt), upsert: true } },
      ],
      { ordered: false },
    )
  }

  /**
   * Forgets the failures of this source, and knows it from now on. Those of all others stay counted.
   * @returns false, with nothing done, where the account has come to wait in the meantime
   */
  async succeeded(email: string, source: string): Promise<boolean> {
    const ids = idsOf(email, source)
    const found = await this.#read(ids)
    if (isWaiting(found)) return false
    const { bySource: known } = found
    const now = Date.now()
    if (known?.failures === 0 && isAfter(known.knownUntil, new Date(now + knownForMs - knownAgainMs))) return true
    const knownUntil = new Date(now + knownForMs)
    const fresh = { _id: ids.bySource, failures: 0, knownUntil, expiresAt: knownUntil }
    await this.#failures.replaceOne({ _id: ids.bySource }, fresh, { upsert: true })
    return true
  }

  /** Deletes what is kept of an account, which is deleted itself. */
  async forget(email: string): Promise<void> {
    const account = accountOf(email)
    await this.#failures.deleteMany({ $or: [{ _id: account }, { _id: { $gte: `${account} `, $lt: `${account}!` } }] })
  }

  async #read({ bySource, overall }: Ids): Promise<Found> {
    const found = await this.#failures.find({ _id: { $in: [bySource, overall] } }).toArray()
    return {
      bySource: found.find(({ _id }) => _id === bySource),
      overall: found.find(({ _id }) => _id === overall),
    }
  }
}

type Ids = { bySource: string; overall: string }
type Found = { [Counted in keyof Ids]: Failures | undefined }

function isWaiting({ bySource, overall }: Found): boolean {
  const now = new Date()
  return (
    isAfter(bySource?.waitsUntil, now) || (isAfter(overall?.waitsUntil, now) && !isAfter(bySource?.knownUntil, now))
  )
}

type Rule = { free: number; longestMs: number }

const rules = {
  // 100 guesses take about a day (NIST SP 800-63B, 3.2.2, allows 100 in a row).
  bySource: { free: 5, longestMs: 15 * 60_000 },
  // Guesses from many sources: 1,440 a day at most, and whoever comes from a known one does not notice.
  overall: { free: 50, longestMs: 60_000 },
} satisfies Record<string, Rule>

const firstWaitMs = 1_000
const forgottenAfterMs = 3_600_000
const knownForMs = 30 * 24 * 3_600_000
const knownAgainMs = 24 * 3_600_000

/** The next failure, decided in the database by its own clock, so that of many at once none is lost. */
const counted = ({ free, longestMs }: Rule, wasLookedAt: boolean) => {
  const isWaiting = { $gt: ['$waitsUntil', '$$NOW'] }
  const isRecent = { $gt: ['$failedAt', { $subtract: ['$$NOW', forgottenAfterMs] }] }
  const doublings = { $min: [{ $subtract: ['$failures', free] }, 30] }
  const waitMs = { $min: [{ $multiply: [firstWaitMs, { $pow: [2, doublings] }] }, longestMs] }
  return [
    { $set: { counts: { $and: [wasLookedAt, { $not: [isWaiting] }] } } },
    {
      $set: {
        failures: { $cond: ['$counts', { $add: [{ $cond: [isRecent, '$failures', 0] }, 1] }, '$failures'] },
        failedAt: { $cond: ['$counts', '$$NOW', '$failedAt'] },
      },
    },
    {
      $set: {
        waitsUntil: {
          $cond: [{ $and: ['$counts', { $gte: ['$failures', free] }] }, { $add: ['$$NOW', waitMs] }, '$waitsUntil'],
        },
        expiresAt: { $max: [{ $add: ['$$NOW', forgottenAfterMs] }, '$knownUntil'] },
      },
    },
    { $unset: 'counts' },
  ]
}

const accountOf = (email: string): string => createHash('sha256').update(email).digest('base64url')

function idsOf(email: string, source: string): Ids {
  const account = accountOf(email)
  const place = createHash('sha256').update(`${email}\n${source}`).digest('base64url')
  return { bySource: `${account} ${place}`, overall: account }
}

const isAfter = (date: Date | undefined, now: Date): boolean => date !== undefined && date > now
