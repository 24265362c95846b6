import { inChild } from '../harness/in-child.ts'
import type { Result } from '../harness/result.ts'
import type { Sample } from '../harness/statistics.ts'
import type { RegistrationsJob } from '../processes/registrations.ts'
import type { Case } from './case.ts'
import { registrations } from './passwords.ts'

/** From the answer 201 to the moment when a query shows the user. */
export const visible: Case = {
  name: 'visible',
  async run({ commandUrl, queryUrl, token, load, size, say }) {
    const bearer = await token()
    const seconds = size.seconds * 2
    const { perSecond: capacity } = await load({
      baseUrl: commandUrl,
      connections: 8,
      seconds,
      requests: registrations(400 * seconds),
    })
    const results: Result[] = []
    for (const percent of [0, 50, 80]) {
      const samples: Sample[] = []
      for (let round = 1; round <= size.rounds; round++) {
        const job = { commandUrl, queryUrl, token: bearer, perSecond: (capacity * percent) / 100, seconds }
        const sample = await inChild<RegistrationsJob, Sample>('registrations', job)
        if (sample.failed > 0) throw new Error(`${sample.failed} failed at ${percent} %`)
        say(`${percent} %, round ${round}: p50 ${sample.p50.toFixed(1)} ms, p99 ${sample.p99.toFixed(1)} ms`)
        samples.push(sample)
      }
      const what = `from 201 to visible at ${percent} % of ${Math.round(capacity)} registrations/s`
      const bounded = percent === 50
      results.push(
        {
          what: `${what}, p50`,
          unit: 'ms',
          ours: samples.map(({ p50 }) => p50),
          ...(bounded && { reach: { atMost: 10 } }),
        },
        {
          what: `${what}, p99`,
          unit: 'ms',
          ours: samples.map(({ p99 }) => p99),
          ...(bounded && { reach: { atMost: 50 } }),
        },
      )
    }
    return results
  },
}
