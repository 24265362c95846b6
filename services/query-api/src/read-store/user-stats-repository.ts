import { type UserStatsSums, userStatsCollection, userStatsSums } from '@cqrs/contracts'
import type { LiveCollections } from './live-collections.ts'

type Sums = Omit<UserStatsSums, '_id'>
type Totals = Pick<Sums, 'users' | 'active' | 'byRole'>

/** Reads `user_stats`, where the projector keeps sums over all users. Sums that do not exist yet are zero. */
export class UserStatsRepository {
  readonly #collections: LiveCollections
  readonly #keepTotalsMs: number
  #totals: { askedAt: number; answer: Promise<Totals> } | undefined

  /** @param keepTotalsMs how long totals are cached, so that not every page of a list reads them */
  constructor(collections: LiveCollections, { keepTotalsMs } = { keepTotalsMs: 0 }) {
    this.#collections = collections
    this.#keepTotalsMs = keepTotalsMs
  }

  async sums(): Promise<Sums> {
    return withZeroes(await this.#find({}))
  }

  /** The sums without those by day, whose number grows every day. */
  totals(): Promise<Totals> {
    const askedAt = performance.now()
    if (this.#totals && askedAt - this.#totals.askedAt < this.#keepTotalsMs) return this.#totals.answer
    const answer = this.#find({ byDay: 0 }).then(withZeroes)
    this.#totals = { askedAt, answer }
    answer.catch(() => {
      this.#totals = undefined
    })
    return answer
  }

  async #find(projection: { byDay?: 0 }): Promise<Partial<Sums> | null> {
    const stats = await this.#collections.of<UserStatsSums>(userStatsCollection)
    return await stats.findOne<Partial<Sums>>({ _id: userStatsSums }, { projection })
  }
}

const withZeroes = (sums: Partial<Sums> | null): Sums => ({
  users: sums?.users ?? 0,
  active: sums?.active ?? 0,
  byRole: { buyer: 0, seller: 0, admin: 0, ...sums?.byRole },
  byDay: sums?.byDay ?? {},
})
