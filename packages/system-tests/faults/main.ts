import { parseArgs } from 'node:util'
import { failuresIn, reportTable } from './report.ts'
import { type Outcome, runScenario } from './scenario.ts'
import { scenarios } from './scenarios.ts'

/**
 * `pnpm test:faults`: every scenario, each in rounds, and a table at the end. `--seed 42` repeats the run that printed it,
 * `--rounds 5` makes it shorter or longer, `--only NATS` takes the scenarios with that in their names.
 */
const { values } = parseArgs({
  options: { seed: { type: 'string' }, rounds: { type: 'string' }, only: { type: 'string' } },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const chosen = scenarios.filter(({ name }) => name.toLowerCase().includes((values.only ?? '').toLowerCase()))
if (!Number.isSafeInteger(seed) || !/^\d*$/.test(values.rounds ?? '') || chosen.length === 0) {
  console.error('usage: pnpm test:faults [--seed N] [--rounds N] [--only NAME]')
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
    // The others are run all the same.
    failures.push(`${scenario.name}: ${(error as Error).stack}`)
  }
}
console.log(reportTable(outcomes))
failures.push(...failuresIn(outcomes))
for (const failure of failures) console.log(failure)
process.exit(failures.length > 0 ? 1 : 0)
