import type { ServiceName } from '@cqrs/local-stack'
import { memoryOf, sampling } from '../harness/memory.ts'
import type { Result } from '../harness/result.ts'
import { median } from '../harness/statistics.ts'
import { path } from './by-id-hot.ts'
import type { Case } from './case.ts'
import { registrations } from './passwords.ts'

const services: ServiceName[] = ['command-api', 'projector', 'query-api']

/** Resident memory of each service: before anything was asked of it, and while everything is asked of it at once. */
export const memory: Case = {
  name: 'memory',
  async run({ ids, idle, stack, commandUrl, queryUrl, token, load, size }) {
    const bearer = await token()
    const seconds = size.seconds * 12
    const underLoad = sampling(() => memoryOf(stack))
    const reads = { baseUrl: queryUrl, token: bearer, seconds }
    await Promise.all([
      load({ ...reads, connections: 32, requests: ids.map(path) }),
      load({ ...reads, connections: 4, requests: [{ path: '/api/v1/users?limit=100' }] }),
      load({ baseUrl: commandUrl, seconds, connections: 8, requests: registrations(200 * seconds) }),
    ])
    const taken = underLoad.stop()
    return services.flatMap((service): Result[] => {
      const values = taken.map((memory) => memory[service])
      const third = Math.floor(values.length / 3)
      return [
        { what: `memory of ${service}, idle`, unit: 'MiB', ours: [idle[service]], reach: { atMost: 100 } },
        {
          what: `memory of ${service}, at most in ${seconds} s of load`,
          unit: 'MiB',
          ours: [Math.max(...values)],
          reach: { atMost: 250 },
        },
        {
          what: `memory of ${service}, last third of that time`,
          unit: 'MiB',
          ours: [median(values.slice(-third))],
          limit: { what: 'second third', values: [median(values.slice(third, 2 * third))] },
          reach: { atMost: 1.1 },
        },
      ]
    })
  },
}
