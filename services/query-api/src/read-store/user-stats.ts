import { type UserStatsSums, userStatsSums } from '@cqrs/contracts'
import type { Moment } from './read-database.ts'

type Sums = Omit<UserStatsSums, '_id'>

/** Reads `user_stats`, where the projector keeps sums over all users. Sums that do not exist yet are zero. */
export const userStats = {
  sums: (moment: Moment): Promise<Sums> => find(moment, {}),

  /** The sums without those by day, whose number grows every day. */
  totals: (moment: Moment): Promise<Omit<Sums, 'byDay'>> => find(moment, { byDay: 0 }),
}

async function find(moment: Moment, projection: { byDay?: 0 }): Promise<Sums> {
  const page = { projection, limit: 1 }
  const [sums] = await moment.find<Partial<Sums>>('user_stats', { _id: userStatsSums }, page)
  return {
    users: sums?.users ?? 0,
    active: sums?.active ?? 0,
    byRole: { buyer: 0, seller: 0, admin: 0, ...sums?.byRole },
    byDay: sums?.byDay ?? {},
  }
}
