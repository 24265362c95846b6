import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freshDirectory, Network } from '@cqrs/local-stack/testing'
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
 * the checker.
 */
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '5' },
    keep: { type: 'boolean', default: false },
  },
})
const root = fileURLToPath(new URL('../../../../', import.meta.url))
const directory = join(root, '.data/consistency/planted')
const results = join(root, 'docs/consistency/planted.json')
const kept = join(root, 'packages/checker/test/histories/bad')

type Tried = { bug: PlantedBug | undefined; need: Need }

/** Builds the copy, and records histories until `isEnough`, or until the minutes are over. */
async function tryOut({ bug, need }: Tried, isEnough: (judged: Judged) => boolean) {
  const cleanUps: (() => Promise<unknown>)[] = []
  const onEnd = (cleanUp: () => Promise<unknown>) => void cleanUps.unshift(cleanUp)
  try {
    const copy = await buildCopy(bug, await freshDirectory({ teardown: onEnd }))
    const striking = nemesesFor[need]
    const onHosts = striking.some(({ needs }) => needs === 'hosts')
    const first = Number(values.seed)
    const world = await startConsistencyWorld({ onHosts, seed: first, copy }, onEnd)
    const from = performance.now()
    let operations = 0
    for (let seed = first; ; seed++) {
      const file = join(directory, `${bug?.name ?? need}-${seed}.ndjson`)
      const bounds = boundsUnder(need)
      const options = { seed, seconds: bug?.seconds ?? 20, file, striking, ...(bounds && { bounds }) }
      const judged = await recordHistory(world, options)
      operations += judged.samples.length
      const seconds = Math.round((performance.now() - from) / 1_000)
      for (const one of judged.wrong.slice(0, 4)) console.log(`  ${one.split('\n')[0]}`)
      if (isEnough(judged)) return { judged, operations, seconds }
      await rm(file)
      if (seconds > Number(values.minutes) * 60) return { judged: undefined, operations, seconds }
    }
  } finally {
    for (const cleanUp of cleanUps) await cleanUp()
  }
}

/** @returns whether a copy without a bug shows nothing, in one history of each fault */
async function isSound(): Promise<boolean> {
  const wrong: string[] = []
  for (const need of new Set(bugs.map(({ needs }) => needs))) {
    const { judged } = await tryOut({ bug: undefined, need }, () => true)
    wrong.push(...(judged?.wrong ?? []))
    console.log(`no bug, ${need}: ${judged?.samples.length} operations, ${judged?.wrong.length} wrong`)
  }
  return wrong.length === 0
}

async function find(bug: PlantedBug): Promise<Found> {
  const { name, what, rules, needs } = bug
  const ruleOf = (judged: Judged | undefined) => rules.find((rule) => judged?.rules.includes(rule))
  const { judged, operations, seconds } = await tryOut({ bug, need: needs }, (judged) => ruleOf(judged) !== undefined)
  const rule = ruleOf(judged)
  console.log(`${name}: ${rule ?? 'not found'} (${operations} operations, ${seconds} s)`)
  if (values.keep && judged && rule) {
    const small = await shrink(await readFile(judged.file, 'utf8'), rule, what)
    await writeFile(join(kept, `${rule}.planted-${name}.ndjson`), small)
  }
  return { name, what, rule: rule ?? null, operations, seconds }
}

/** Replaces what is known of these bugs. */
async function note(found: Found): Promise<void> {
  const known: Found[] = JSON.parse(await readFile(results, 'utf8').catch(() => '[]'))
  const all = bugs.flatMap(({ name }) => [found, ...known].find((one) => one.name === name) ?? [])
  await writeFile(results, `${JSON.stringify(all, null, 2)}\n`)
}

await mkdir(directory, { recursive: true })
await mkdir(join(results, '..'), { recursive: true })
const cannot = Network.notPossible()
const chosen = bugs.filter(({ name }) => !values.only || values.only.split(',').includes(name))
if (chosen.length === 0) throw new Error(`no bug is ${values.only}`)
let isWell = values.only ? true : await isSound()
for (const bug of chosen) {
  if (cannot && nemesesFor[bug.needs].some(({ needs }) => needs === 'hosts')) {
    console.log(`${bug.name}: not run, because ${cannot}`)
    continue
  }
  const found = await find(bug)
  await note(found)
  isWell &&= found.rule !== null
}
process.exit(isWell ? 0 : 1)
