import { type UserStatsSums, userStatsCollection, userStatsSums } from '@cqrs/contracts'
import type { LiveCollections } from './live-collections.ts'

type Sums = Omit<UserStatsSums, '_id'>

/** `user_stats`, in which the projector keeps the sums over all users. Where there are none yet, they are zero. */
export class UserStatsRepository {
  readonly #collections: LiveCollections

  constructor(collections: LiveCollections) {
    this.#collections = collections
  }

  async sums(): Promise<Sums> {
    return withZeroes(await this.#find({}))
  }

  /** The sums without those by day, which are as many as the service has days. */
  async totals(): Promise<Pick<Sums, 'users' | 'byRole'>> {
    return withZeroes(await this.#find({ byDay: 0 }))
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
