import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freshDirectory, Network } from '@cqrs/local-stack/testing'
import type { World } from '../../faults/world.ts'
import { type Judged, recordHistory } from '../history.ts'
import type { PlantedBug as Found } from '../report/page.ts'
import { startConsistencyWorld } from '../world.ts'
import { bugs, type Need, type PlantedBug } from './bugs.ts'
import { buildCopy } from './build-copy.ts'
import { boundsUnder, nemesesFor } from './needs.ts'
import { shrink } from './shrink.ts'

/**
 * `npm run test:planted` plants each bug into a copy of the system, and lets contended clients loose on it until the
 * checker finds a violation by one of the rules of the bug, for `--minutes 5` at most; `--seed 42` begins with this
 * seed. Before them, a copy without a bug must show nothing. docs/consistency/planted.json has the result of each bug
 * when it was tried last. `--only NAME` tries one bug, `--keep` makes the history that shows it small, and a test of
 * the checker. `--only without` tries the copy without a bug.
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '5' },
    keep: { type: 'boolean', default: false },
  },
})
const first = Number(values.seed)
const cannot = Network.notPossible()
const root = fileURLToPath(new URL('../../../../', import.meta.url))
const directory = join(root, '.data/consistency/planted')
const results = join(root, 'docs/consistency/planted.json')
const kept = join(root, 'packages/checker/test/histories/bad')

const isOnHosts = (need: Need): boolean => nemesesFor[need].some(({ needs }) => needs === 'hosts')

/** Builds a copy with or without a bug, starts it, and stops it at the end. */
async function withCopy<Result>(
  { bug, onHosts }: { bug?: PlantedBug; onHosts: boolean },
  use: (world: World) => Promise<Result>,
): Promise<Result> {
  const cleanUps: (() => Promise<unknown>)[] = []
  const onEnd = (cleanUp: () => Promise<unknown>) => void cleanUps.unshift(cleanUp)
  try {
    const copy = await buildCopy(bug, await freshDirectory({ teardown: onEnd }))
    return await use(await startConsistencyWorld({ onHosts, seed: first, copy }, onEnd))
  } finally {
    for (const cleanUp of cleanUps) await cleanUp()
  }
}

async function record(world: World, need: Need, { name, seed, seconds = 20, enough = [] }: Asked): Promise<Judged> {
  // So that a kill can come between a mail and its record.
  world.mail.takeTime(need === 'kill projector' ? 300 : 0)
  const file = join(directory, `${name}-${seed}.ndjson`)
  const bounds = boundsUnder(need)
  const options = { seed, seconds, file, striking: nemesesFor[need], enough, ...(bounds && { bounds }) }
  const judged = await recordHistory(world, options)
  for (const one of judged.wrong.slice(0, 4)) console.log(`  ${one.split('\n')[0]}`)
  return judged
}

type Asked = { name: string; seed: number; seconds?: number | undefined; enough?: readonly string[] }

/** @returns whether a copy without a bug shows nothing, in one history of each fault */
async function isSound(): Promise<boolean> {
  const needs = [...new Set(bugs.map(({ needs }) => needs))]
  let isWell = true
  for (const onHosts of cannot ? [false] : [false, true])
    await withCopy({ onHosts }, async (world) => {
      for (const [i, need] of needs.filter((need) => isOnHosts(need) === onHosts).entries()) {
        const { samples, wrong } = await record(world, need, { name: 'without a bug', seed: first + i })
        console.log(`without a bug, ${need}: ${samples.length} operations, ${wrong.length} wrong`)
        isWell &&= wrong.length === 0
      }
    })
  return isWell
}

/** Records histories until one shows the bug, or until the minutes are over. */
async function find(bug: PlantedBug): Promise<Found> {
  const { name, what, rules, needs, seconds: length } = bug
  const { judged, ...effort } = await withCopy({ bug, onHosts: isOnHosts(needs) }, async (world) => {
    const from = performance.now()
    let operations = 0
    for (let seed = first; ; seed++) {
      const judged = await record(world, needs, { name, seed, seconds: length, enough: rules })
      operations += judged.samples.length
      const seconds = Math.round((performance.now() - from) / 1_000)
      const isFound = rules.some((rule) => judged.rules.includes(rule))
      if (!isFound) await rm(judged.file)
      if (isFound || seconds > Number(values.minutes) * 60) return { judged, operations, seconds }
    }
  })
  const rule = rules.find((rule) => judged.rules.includes(rule)) ?? null
  console.log(`${name}: ${rule ?? 'not found'} (${effort.operations} operations, ${effort.seconds} s)`)
  if (values.keep && rule) {
    const small = await shrink(await readFile(judged.file, 'utf8'), rule, what)
    await writeFile(join(kept, `${rule}.planted-${name}.ndjson`), small)
  }
  return { name, what, rule, ...effort }
}

/** Replaces what is known of these bugs. */
async function note(found: Found): Promise<void> {
  const known: Found[] = JSON.parse(await readFile(results, 'utf8').catch(() => '[]'))
  const all = bugs.flatMap(({ name }) => [found, ...known].find((one) => one.name === name) ?? [])
  await writeFile(results, `${JSON.stringify(all, null, 2)}\n`)
}

await mkdir(directory, { recursive: true })
await mkdir(join(results, '..'), { recursive: true })
const chosen = bugs.filter(({ name }) => !values.only || values.only.split(',').includes(name))
const isWithout = !values.only || values.only === 'without'
if (chosen.length === 0 && !isWithout) throw new Error(`no bug is ${values.only}`)
let isWell = isWithout ? await isSound() : true
for (const bug of chosen) {
  if (cannot && isOnHosts(bug.needs)) {
    console.log(`${bug.name}: not run, because ${cannot}`)
    continue
  }
  const found = await find(bug)
  await note(found)
  isWell &&= found.rule !== null
}
process.exit(isWell ? 0 : 1)
