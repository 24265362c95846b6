import { parseArgs } from 'node:util'
import { runPairs } from './pairs.ts'

/**
 * `npm run test:freshness` runs 100,000 pairs of a command and a query with its token, under faults. `--pairs 1000`
 * changes the number, `--seed 42` repeats the choices of a run.
 */
const { values } = parseArgs({ options: { pairs: { type: 'string' }, seed: { type: 'string' } } })
const pairs = Number(values.pairs ?? 100_000)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(pairs) || pairs < 100) {
  console.error('usage: npm run test:freshness -- [--pairs N] [--seed N]')
  process.exit(1)
}
console.log(`seed ${seed}`)
const { wrong, ...counts } = await runPairs({
  pairs,
  seed,
  natsDownMs: 30_000,
  withSecondaries: true,
  log: console.log,
})
console.log(counts)
for (const one of wrong.slice(0, 100)) console.log(one)
console.log(`${wrong.length} wrong`)
process.exit(wrong.length > 0 || counts.foundWithoutTokens === 0 ? 1 : 0)
