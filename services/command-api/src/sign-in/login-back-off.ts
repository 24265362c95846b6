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

/** A login: its normalised address, its source, and the id of a device that has logged in to the account before. */
export type Attempt = { email: string; source: string; device?: string | undefined }

/**
 * The failed logins of an account, one document for each source and one for all together. A known device counts as a
 * source of its own, wherever its requests come from. Ids are hashes, so that no e-mail address of a person without an
 * account is kept. A user's documents are deleted with the user.
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
  async isWaiting(attempt: Attempt): Promise<boolean> {
    const { now, ...failures } = await this.#read(attempt)
    return isWaiting(failures, now)
  }

  /**
   * Counts a failure. An attempt that was not checked, or that came during a wait, is not counted, in the same time.
   */
  async failed(attempt: Attempt, { wasChecked }: { wasChecked: boolean }): Promise<void> {
    const { counted, overall } = idsOf(attempt)
    const count = (_id: string, rule: BackOffRule) => ({
      updateOne: { filter: { _id }, update: next(rule, wasChecked), upsert: true },
    })
    await this.#failures.bulkWrite([count(counted, backOffRules.bySource), count(overall, backOffRules.overall)], {
      ordered: false,
    })
  }

  /**
   * Resets the failures of this source and device, unless they wait. The source is known from now on. The failures of
   * all sources together stay.
   * @returns false, with nothing done, if the account began to wait in the meantime
   */
  async succeeded(attempt: Attempt): Promise<boolean> {
    const { counted, source } = idsOf(attempt)
    const { now, find, ...failures } = await this.#read(attempt)
    if (isWaiting(failures, now)) return false
    const renewedAt = new Date(now.getTime() + knownForMs - knownAgainMs)
    for (const _id of new Set([counted, source])) {
      const known = find(_id)
      if (known?.failures === 0 && isAfter(known.knownUntil, renewedAt)) continue
      const fresh = { _id, failures: 0, knownUntil: inMs(knownForMs), expiresAt: inMs(knownForMs) }
      const update = [{ $replaceWith: { $cond: [isWaitingNow, '$$ROOT', fresh] } }]
      await this.#failures.updateOne({ _id }, update, { upsert: true })
    }
    return true
  }

  /** Deletes the documents of an account. */
  async forget(email: string): Promise<void> {
    const account = accountOf(email)
    await this.#failures.deleteMany({ $or: [{ _id: account }, { _id: { $gte: `${account} `, $lt: `${account}!` } }] })
  }

  /** Also the database's time, by which all of them are. Without a document there is nothing to compare with it. */
  async #read(attempt: Attempt) {
    const { counted, source, overall } = idsOf(attempt)
    const projection = { failures: 1, waitsUntil: 1, knownUntil: 1, now: '$$NOW' }
    const ids = [counted, source, overall]
    const found = this.#failures.find<Failures & { now: Date }>({ _id: { $in: ids } }, { projection })
    const documents = await found.toArray()
    const find = (id: string): FailedLogins | undefined => documents.find(({ _id }) => _id === id)
    return {
      now: documents[0]?.now ?? new Date(0),
      find,
      bySource: find(counted),
      overall: find(overall),
      isKnownDevice: attempt.device !== undefined,
    }
  }
}

/** A login renews the 30 days of its source once a day, not each time. */
const knownAgainMs = 24 * 3_600_000

const isWaitingNow = { $gt: ['$waitsUntil', '$$NOW'] }

/** The next failure, decided in the database by its own clock, so that none of many concurrent ones is lost. */
const next = ({ free, waitsMs }: BackOffRule, wasChecked: boolean) => {
  const isRecent = { $gt: ['$failedAt', { $subtract: ['$$NOW', failuresKeptMs] }] }
  const waitMs = { $arrayElemAt: [waitsMs, { $min: [{ $subtract: ['$failures', free] }, waitsMs.length - 1] }] }
  return [
    { $set: { counts: { $and: [wasChecked, { $not: [isWaitingNow] }] } } },
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

/** Failures are counted for the device, if it is known, else for the source. */
function idsOf({ email, source, device }: Attempt) {
  const account = accountOf(email)
  const idOf = (place: string) => `${account} ${createHash('sha256').update(`${email}\n${place}`).digest('base64url')}`
  return { counted: idOf(device ? `device ${device}` : source), source: idOf(source), overall: account }
}
