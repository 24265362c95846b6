import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Network } from '@cqrs/local-stack/testing'
import { nemesesOf, possibleNemeses } from './faults.ts'
import { recordHistory } from './history.ts'
import { commit, versionsOf } from './report/versions.ts'
import { addToReport } from './report/write.ts'
import { startConsistencyWorld } from './world.ts'

/**
 * `npm run test:consistency` lets contended clients loose on the system while nemeses strike, and judges what they were
 * told. `--minutes 5` is how long, `--seed 42` begins with this seed (the histories that follow have the next ones),
 * `--seconds 30` is the length of a history. A run adds its histories to docs/consistency.md, unless `--only cut` takes
 * only the nemeses with that in their name.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    queries: { type: 'string', default: '0.7' },
    only: { type: 'string', default: '' },
    'one-machine': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})
const first = Number(values.seed ?? Math.floor(Math.random() * 1e6))
const [minutes, seconds, queries] = [values.minutes, values.seconds, values.queries].map(Number) as [
  number,
  number,
  number,
]
const cannot = values['one-machine'] ? 'it was asked to stay on one machine' : Network.notPossible()
const notRun = cannot ? [`nemeses that need hosts of their own, because ${cannot}`] : []
for (const what of notRun) console.log(`not run: ${what}`)
const topology = cannot ? 'one machine' : 'hosts of their own'
const release = await commit()
const directory = fileURLToPath(new URL('../../../.data/consistency/', import.meta.url))
await mkdir(directory, { recursive: true })

const cleanUps: (() => Promise<unknown>)[] = []
const until = Date.now() + minutes * 60_000
let operations = 0
const wrong: string[] = []
try {
  const world = await startConsistencyWorld({ onHosts: !cannot, seed: first }, (cleanUp) => cleanUps.unshift(cleanUp))
  const possible = possibleNemeses(world).filter(({ name }) => name.includes(values.only))
  const versions = await versionsOf(world)
  for (let seed = first; seed === first || Date.now() < until; seed++) {
    const file = join(directory, `${seed}.ndjson`)
    const striking = nemesesOf(seed, possible)
    const began = new Date()
    const judged = await recordHistory(world, { seed, seconds, file, queries, striking })
    operations += judged.samples.length
    const { samples, faults, wrong: violations, notDecided } = judged
    if (!values.only)
      await addToReport({
        ...{ seed, date: began.toISOString(), commit: release, versions, topology, seconds },
        ...{ samples, faults, notRun, violations, notDecided },
      })
    const noEffect = faults.filter(({ effect }) => !effect).map(({ nemesis }) => `no effect: ${nemesis}`)
    wrong.push(...[...violations, ...noEffect].map((one) => `seed ${seed}: ${one}`))
    const took = Math.round((Date.now() - began.getTime()) / 1_000)
    const names = striking.map(({ name }) => name).join(' + ')
    console.log(
      `seed ${seed}: ${judged.samples.length} operations in ${took} s, ${judged.wrong.length} wrong; ${names}`,
    )
    for (const { nemesis, what, effect, from, to } of judged.faults)
      console.log(`  ${nemesis}: ${what}; ${effect} (${(from / 1000).toFixed(1)} to ${(to / 1000).toFixed(1)} s)`)
    for (const one of judged.wrong.slice(0, 10)) console.log(`  wrong: ${one.split('\n')[0]}`)
    if (judged.wrong.length > 0) await writeFile(file.replace('.ndjson', '.txt'), judged.verdict)
    else if (!values.keep) await rm(file)
  }
} finally {
  for (const cleanUp of cleanUps) await cleanUp()
}
console.log(`${operations} operations, ${wrong.length} wrong; histories with something wrong are in ${directory}`)
for (const one of wrong) console.log(one.split('\n')[0])
process.exit(wrong.length > 0 ? 1 : 0)
