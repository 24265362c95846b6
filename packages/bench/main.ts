import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cases } from './cases/index.ts'
import { fullSize, quickSize, startBench } from './harness/bench.ts'
import { machine } from './harness/machine.ts'
import { report } from './harness/report.ts'
import type { Result } from './harness/result.ts'
import { table } from './harness/table.ts'

/**
 * `npm run bench` runs every case and writes docs/benchmarks.md. `--quick` tries all of it in two minutes on little
 * data, and `--only NAME` runs the cases whose names contain NAME; both only print.
 */
const usage = `usage: npm run bench -- [--quick] [--only NAME]\ncases: ${cases.map(({ name }) => name).join(', ')}`
const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } })
const chosen = cases.filter(({ name }) => name.includes(values.only ?? ''))
if (chosen.length === 0) {
  console.error(usage)
  process.exit(1)
}

const startedAt = performance.now()
const say = (line: string) =>
  console.error(`${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(5)} s  ${line}`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

const bench = await startBench(values.quick ? quickSize : fullSize, say)
const results: Result[] = []
const failures: string[] = []
for (const { name, run } of chosen) {
  try {
    say(`— ${name}`)
    const measured = await run({ ...bench, say: (line) => say(`${name}: ${line}`) })
    results.push(...measured)
    say(`\n${table(measured)}`)
  } catch (error) {
    // The other cases still run.
    failures.push(`${name}: ${(error as Error).message}`)
    say(`${name} failed: ${(error as Error).stack}`)
  }
}
const context = { command: 'npm run bench', machine: await machine(bench.read), failures }
await bench.stop()

console.log(table(results))
for (const failure of failures) console.log(`not measured: ${failure}`)
if (!values.quick && !values.only) {
  const file = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url))
  await mkdir(new URL('../../docs', import.meta.url), { recursive: true })
  await writeFile(file, report(results, context))
  say(`written to ${file}`)
}
process.exit(failures.length === 0 ? 0 : 1)
