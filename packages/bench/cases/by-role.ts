import type { Role } from '@cqrs/contracts'
import { inChild } from '../harness/in-child.ts'
import type { Result } from '../harness/result.ts'
import { perSecond, type Sample } from '../harness/statistics.ts'
import type { DriverJob } from '../processes/driver.ts'
import type { Case } from './case.ts'

const connections = 16

/** The first page of a role that few users have, and of one that nearly all have. */
export const byRole: Case = {
  name: 'by-role',
  async run({ stack, queryUrl, token, load, compare, size: { seconds } }) {
    const bearer = await token()
    const of = async (role: Role, selectivity: string): Promise<Result> => {
      const requests = [{ path: `/api/v1/users/by-role/${role}?limit=20` }]
      const { ours, limit } = await compare({
        ours: () => load({ baseUrl: queryUrl, token: bearer, connections, seconds, requests }),
        limit: () =>
          inChild<DriverJob, Sample>('driver', {
            uri: stack.uris.read,
            collection: 'users_read_v1',
            inFlight: connections,
            seconds,
            read: { filter: { roles: role }, limit: 20 },
          }),
      })
      return {
        what: `list of 20 by role, ${selectivity} of all users, ${connections} connections`,
        unit: '/s',
        ours: perSecond(ours),
        limit: { what: 'driver, `find({ roles }).sort().limit(20)`', values: perSecond(limit) },
        reach: { atLeast: 0.8 },
      }
    }
    return [await of('admin', '1 %'), await of('buyer', '90 %')]
  },
}
