import t from 'tap'
import { failuresIn, reportTable } from '../faults/report.ts'
import { type Outcome, runRounds } from '../faults/scenario.ts'
import { scenarios } from '../faults/scenarios.ts'
import { replaceProjectors, runTwoOfEach, type Scenario, startWorld } from '../faults/world.ts'

// A short run of `npm run test:faults`: one or two rounds of the quick faults.
t.setTimeout(600_000)

const seed = 7
const rolling = 'a rolling update from 0.2.0 to a new shape, and back'
/** Those of a group run one after the other on one system, which has what each of them needs. */
const groups: { system: Partial<Scenario>; rounds: Record<string, number> }[] = [
  {
    system: { ownDatabases: true },
    rounds: {
      'the mail server hangs, and dies in mid-delivery': 1,
      'poison among good messages': 1,
      'kill -9 of the write database': 1,
      'kill -9 of a service': 2,
      // Before it, a second command-api and a second projector start.
      'histories shuffled and repeated, two projectors': 1,
      'two of each, killed with kill -9': 2,
      // The last, for which another projector starts: it compares both sides often.
      'NATS loses its data': 1,
    },
  },
  { system: named(rolling), rounds: { [rolling]: 1 } },
]

t.comment(`seed ${seed}`)
const outcomes: Outcome[] = []
for (const { system, rounds } of groups) {
  t.test(Object.keys(rounds).join('; '), async (t) => {
    const world = await startWorld({ name: '', rounds: 0, fault: async () => {}, ...system }, seed, (end) =>
      t.teardown(end),
    )
    for (const [name, count] of Object.entries(rounds)) {
      await t.test(`${name}: nothing is lost, duplicated or different`, async (t) => {
        const scenario = named(name)
        if (scenario.twoOfEach && world.baseUrls.length === 1) await runTwoOfEach(world)
        if (scenario.env?.projector && !system.env) await replaceProjectors(world, scenario.env.projector)
        const outcome = await runRounds(world, scenario, { rounds: count, seed, log: (line) => t.comment(line) })
        outcomes.push(outcome)
        t.strictSame(failuresIn([outcome]), [])
        t.ok(outcome.acknowledged > 0, `${outcome.acknowledged} commands acknowledged`)
      })
    }
  })
}

t.teardown(() => console.log(reportTable(outcomes).replaceAll(/^/gm, '# ')))

function named(name: string): Scenario {
  const scenario = scenarios.find((scenario) => scenario.name === name)
  if (!scenario) throw new Error(`there is no scenario ${name}`)
  return scenario
}
