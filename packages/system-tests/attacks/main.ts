import { parseArgs } from 'node:util'
import { besideGreedy, greedyTable } from './greedy.ts'
import { operations } from './operations.ts'
import { reportTable } from './report.ts'
import { besiege } from './siege.ts'

/**
 * `npm run test:attacks` sends 5,000 bad requests to each route, and then runs a greedy client of each kind beside an
 * ordinary one. It prints a table of each. `--seed 42` repeats the run that printed this seed, `--requests 100` changes
 * the number, `--only login` selects the operations and the greedy clients whose name contains it, `--only greedy` all
 * of the latter.
 */
const { values } = parseArgs({
  options: { seed: { type: 'string' }, requests: { type: 'string' }, only: { type: 'string' } },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 30))
const requests = Number(values.requests ?? 5_000)
if (!Number.isSafeInteger(seed) || !(requests > 0)) {
  console.error('usage: npm run test:attacks -- [--seed N] [--requests N] [--only NAME]')
  process.exit(1)
}
const only = (values.only ?? '').toLowerCase()
const isChosen = (name: string) => name.toLowerCase().includes(only)
const failures: string[] = []
if (operations.some(({ id }) => isChosen(id))) {
  console.log(`seed ${seed}`)
  const siege = await besiege({ seed, requests, only, log: console.log })
  console.log(reportTable(siege.outcomes))
  for (const { service, beforeMib, afterMib } of siege.memory)
    console.log(`${service}: ${beforeMib.toFixed(0)} MiB resident before, ${afterMib.toFixed(0)} MiB after`)
  failures.push(...siege.failures)
}
const greedy = await besideGreedy({ seconds: 6, isChosen: (kind) => isChosen(`greedy ${kind}`), log: console.log })
console.log(greedyTable(greedy.results))
failures.push(...greedy.failures)
for (const failure of failures.slice(0, 50)) console.log(failure)
if (failures.length > 50) console.log(`and ${failures.length - 50} more`)
process.exit(failures.length > 0 ? 1 : 0)
