import { createHash } from 'node:crypto'
import { inMs } from '@cqrs/service-kit'
import type { Collection, Db } from 'mongodb'
import {
  type BackOffRule,
  backOffRules,
  type FailedLogins,
  failuresKeptMs,
  isAfter,
  isWaiting,
  knownForMs,
} from '../domain/login-back-off.ts'

/**
 * The failed logins of an account, one document for each source and one for all together. Ids are hashes, so that no
 * e-mail address of a person without an account is kept. A user's documents are deleted with the user.
 */
type Failures = FailedLogins & { _id: string; failedAt?: Date; expiresAt: Date }

export const loginBackOffCollection = 'login_back_off'
export const loginBackOffIndexes = [{ name: 'expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 }] as const

/**
 * Exponential back-off of logins after failures; an attempt during a wait is rejected without a check. The wait is
 * mostly for one source, so that nobody can lock out someone else (docs/decisions/0015).
 */
export class LoginBackOff {
  readonly #failures: Collection<Failures>

  constructor(db: Db) {
    this.#failures = db.collection(loginBackOffCollection)
  }

  /** Whether an attempt is rejected now without a check of its password. */
  async isWaiting(email: string, source: string): Promise<boolean> {
    const { now, ...failures } = await this.#read(idsOf(email, source))
    return isWaiting(failures, now)
  }

  /**
   * Counts a failure. An attempt that was not checked, or that came during a wait, is not counted, in the same time.
   */
  async failed(email: string, source: string, { wasChecked }: { wasChecked: boolean }): Promise<void> {
    const ids = idsOf(email, source)
    await this.#failures.bulkWrite(
      [
        {
          updateOne: {
            filter: { _id: ids.bySource },
            update: counted(backOffRules.bySource, wasChecked),
            upsert: true,
          },
        },
        {
          updateOne: { filter: { _id: ids.overall }, update: counted(backOffRules.overall, wasChecked), upsert: true },
        },
      ],
      { ordered: false },
    )
  }

  /**
   * Resets the failures of this source, which is known from now on. The failures of all sources together stay.
   * @returns false, with nothing done, if the account began to wait in the meantime
   */
  async succeeded(email: string, source: string): Promise<boolean> {
    const ids = idsOf(email, source)
    const { now, ...failures } = await this.#read(ids)
    if (isWaiting(failures, now)) return false
    const { bySource: known } = failures
    const renewedAt = new Date(now.getTime() + knownForMs - knownAgainMs)
    if (known?.failures === 0 && isAfter(known.knownUntil, renewedAt)) return true
    const fresh = { _id: ids.bySource, failures: 0, knownUntil: inMs(knownForMs), expiresAt: inMs(knownForMs) }
    await this.#failures.updateOne({ _id: ids.bySource }, [{ $replaceWith: fresh }], { upsert: true })
    return true
  }

  /** Deletes the documents of an account. */
  async forget(email: string): Promise<void> {
    const account = accountOf(email)
    await this.#failures.deleteMany({ $or: [{ _id: account }, { _id: { $gte: `${account} `, $lt: `${account}!` } }] })
  }

  /** Also the database's time, by which all of them are. Without a document there is nothing to compare with it. */
  async #read({ bySource, overall }: Ids) {
    const projection = { failures: 1, waitsUntil: 1, knownUntil: 1, now: '$$NOW' }
    const found = this.#failures.find<Failures & { now: Date }>({ _id: { $in: [bySource, overall] } }, { projection })
    const documents = await found.toArray()
    return {
      now: documents[0]?.now ?? new Date(0),
      bySource: documents.find(({ _id }) => _id === bySource),
      overall: documents.find(({ _id }) => _id === overall),
    }
  }
}

type Ids = { bySource: string; overall: string }

/** A login renews the 30 days of its source once a day, not each time. */
const knownAgainMs = 24 * 3_600_000

/** The next failure, decided in the database by its own clock, so that none of many concurrent ones is lost. */
const counted = ({ free, waitsMs }: BackOffRule, wasChecked: boolean) => {
  const isWaiting = { $gt: ['$waitsUntil', '$$NOW'] }
  const isRecent = { $gt: ['$failedAt', { $subtract: ['$$NOW', failuresKeptMs] }] }
  const waitMs = { $arrayElemAt: [waitsMs, { $min: [{ $subtract: ['$failures', free] }, waitsMs.length - 1] }] }
  return [
    { $set: { counts: { $and: [wasChecked, { $not: [isWaiting] }] } } },
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
        expiresAt: { $max: [{ $add: ['$$NOW', failuresKeptMs] }, '$knownUntil'] },
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
