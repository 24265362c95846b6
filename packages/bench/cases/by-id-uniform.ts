import { inChild } from '../harness/in-child.ts'
import { perSecond, type Sample } from '../harness/statistics.ts'
import type { DriverJob } from '../processes/driver.ts'
import { path } from './by-id-hot.ts'
import type { Case } from './case.ts'

/** GET by id over all users, each equally likely. */
export const byIdUniform: Case = {
  name: 'by-id-uniform',
  async run({ ids, stack, queryUrl, token, load, compare, size: { seconds } }) {
    const bearer = await token()
    const { ours, limit } = await compare({
      ours: () =>
        load({ baseUrl: queryUrl, token: bearer, connections: 64, seconds, requests: shuffled(ids).map(path) }),
      limit: () =>
        inChild<DriverJob, Sample>('driver', {
          uri: stack.uris.read,
          collection: 'users_read_v1',
          inFlight: 64,
          seconds,
          read: { ids },
        }),
    })
    return [
      {
        what: `GET by id, uniform over ${ids.length} users, 64 connections`,
        unit: '/s',
        ours: perSecond(ours),
        limit: { what: 'driver, `findOne` in a loop, 64 in flight', values: perSecond(limit) },
        reach: { atLeast: 3 },
      },
    ]
  },
}

/** A new random order on each call (Fisher and Yates). */
function shuffled<T>(values: readonly T[]): T[] {
  const result = [...values]
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[result[i], result[j]] = [result[j] as T, result[i] as T]
  }
  return result
}
