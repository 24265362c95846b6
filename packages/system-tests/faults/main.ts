import { parseArgs } from 'node:util'
import { failuresIn, longestRecovery, reportTable } from './report.ts'
import { type Outcome, runScenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'

/**
 * `npm run test:faults` runs every scenario in rounds and prints a table. `--seed 42` repeats the run that printed this
 * seed, `--rounds 5` changes the number of rounds, `--only NATS` selects the scenarios whose name contains it.
 */
const { values } = parseArgs({
  options: { seed: { type: 'string' }, rounds: { type: 'string' }, only: { type: 'string' } },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const chosen = scenarios.filter(({ name }) => name.toLowerCase().includes((values.only ?? '').toLowerCase()))
if (!Number.isSafeInteger(seed) || !/^\d*$/.test(values.rounds ?? '') || chosen.length === 0) {
  console.error('usage: npm run test:faults -- [--seed N] [--rounds N] [--only NAME]')
  process.exit(1)
}
console.log(`seed ${seed}`)

const outcomes: Outcome[] = []
const failures: string[] = []
for (const scenario of chosen) {
  const rounds = Number(values.rounds ?? scenario.rounds)
  try {
    outcomes.push(await runScenario(scenario, { rounds, seed, log: console.log }))
  } catch (error) {
    // The other scenarios still run.
    failures.push(`${scenario.name}: ${(error as Error).stack}`)
  }
}
console.log(reportTable(outcomes))
console.log(longestRecovery(outcomes))
failures.push(...failuresIn(outcomes))
for (const failure of failures) console.log(failure)
process.exit(failures.length > 0 ? 1 : 0)
