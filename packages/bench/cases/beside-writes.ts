import { availableParallelism } from 'node:os'
import { inChild } from '../harness/in-child.ts'
import { perSecond, type Sample } from '../harness/statistics.ts'
import type { Argon2Job } from '../processes/argon2.ts'
import type { LoadJob } from '../processes/load.ts'
import { path } from './by-id-hot.ts'
import type { Case } from './case.ts'
import { registrations } from './passwords.ts'

const cores = availableParallelism()

/**
 * Queries while registrations and changes come as fast as they are taken. Both sides share these cores here, so the same
 * queries are also measured next to a process that only hashes, and so takes as much of the cores but nothing else.
 */
export const besideWrites: Case = {
  name: 'beside-writes',
  async run({ ids, commandUrl, queryUrl, token, load, compare, size: { seconds } }) {
    const bearer = await token()
    const hot = ids.slice(-1_000)
    const ask = () => load({ baseUrl: queryUrl, token: bearer, connections: 64, seconds, requests: hot.map(path) })
    const write = (job: Pick<LoadJob, 'connections' | 'requests'>) =>
      load({ baseUrl: commandUrl, token: bearer, seconds: seconds + 1, ...job })
    const changes = ids.slice(0, 5_000).map((id) => ({
      method: 'PUT' as const,
      ...path(id),
      body: { name: `Changed ${crypto.randomUUID()}`, roles: ['buyer'] },
    }))
    const { alone, registering, changing, hashing } = await compare({
      alone: ask,
      registering: () => beside(ask, write({ connections: 4 * cores, requests: registrations(400 * (seconds + 2)) })),
      changing: () => beside(ask, write({ connections: 4 * cores, requests: changes })),
      hashing: () =>
        beside(ask, inChild<Argon2Job, Sample>('argon2', { what: 'hash', inFlight: cores, seconds: seconds + 1 })),
    })
    const what = `GET by id, hot ${hot.length} users`
    return [
      {
        what: `${what}, while registrations run at full speed`,
        unit: '/s',
        ours: perSecond(registering),
        limit: { what: 'the same while a process hashes on all cores', values: perSecond(hashing) },
        reach: { atLeast: 0.8 },
      },
      {
        what: `${what}, while registrations run at full speed`,
        unit: '/s',
        ours: perSecond(registering),
        limit: { what: 'the same without writes', values: perSecond(alone) },
      },
      {
        what: `${what}, while changes run at full speed`,
        unit: '/s',
        ours: perSecond(changing),
        limit: { what: 'the same without writes', values: perSecond(alone) },
      },
    ]
  },
}

/** What is asked, measured while something else goes on, which began first and ends last. */
async function beside(ask: () => Promise<Sample>, other: Promise<Sample>): Promise<Sample> {
  const [sample, { failed }] = await Promise.all([ask(), other])
  return { ...sample, failed: sample.failed + failed }
}
