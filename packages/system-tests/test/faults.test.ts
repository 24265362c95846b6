import t from 'tap'
import { failuresIn, reportTable } from '../faults/report.ts'
import { type Outcome, runScenario } from '../faults/scenario.ts'
import { scenarios } from '../faults/scenarios.ts'

// A short run of `pnpm test:faults`: one or two rounds of the quick faults.
t.setTimeout(600_000)

const seed = 7
const rounds: Record<string, number> = {
  'kill -9 of a service': 2,
  'NATS loses its data': 1,
  'kill -9 of the write database': 1,
  'two of each, killed with kill -9': 2,
  'poison among good messages': 1,
  'histories shuffled and repeated, two projectors': 1,
  'the mail server hangs, and dies in mid-delivery': 1,
}

t.comment(`seed ${seed}`)
const outcomes: Outcome[] = []
for (const [name, count] of Object.entries(rounds)) {
  t.test(`${name}: nothing is lost, duplicated or different`, async (t) => {
    const scenario = scenarios.find((scenario) => scenario.name === name)
    if (!scenario) throw new Error('there is no such scenario')
    const outcome = await runScenario(scenario, { rounds: count, seed, log: (line) => t.comment(line) })
    outcomes.push(outcome)
    t.strictSame(failuresIn([outcome]), [])
    t.ok(outcome.acknowledged > 0, `${outcome.acknowledged} commands acknowledged`)
  })
}

t.teardown(() => console.log(reportTable(outcomes).replaceAll(/^/gm, '# ')))
