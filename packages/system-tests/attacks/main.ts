import { parseArgs } from 'node:util'
import { reportTable } from './report.ts'
import { besiege } from './siege.ts'

/**
 * `pnpm test:attacks` sends 5,000 bad requests to each route and prints a table. `--seed 42` repeats the run that
 * printed this seed, `--requests 100` changes the number, `--only login` selects the operations whose name contains it.
 */
const { values } = parseArgs({
  options: { seed: { type: 'string' }, requests: { type: 'string' }, only: { type: 'string' } },
})
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 30))
const requests = Number(values.requests ?? 5_000)
if (!Number.isSafeInteger(seed) || !(requests > 0)) {
  console.error('usage: pnpm test:attacks [--seed N] [--requests N] [--only NAME]')
  process.exit(1)
}
console.log(`seed ${seed}`)
const { outcomes, memory, failures } = await besiege({ seed, requests, only: values.only ?? '', log: console.log })
console.log(reportTable(outcomes))
for (const { service, beforeMib, afterMib } of memory)
  console.log(`${service}: ${beforeMib.toFixed(0)} MiB resident before, ${afterMib.toFixed(0)} MiB after`)
for (const failure of failures.slice(0, 50)) console.log(failure)
if (failures.length > 50) console.log(`and ${failures.length - 50} more`)
process.exit(failures.length > 0 ? 1 : 0)
