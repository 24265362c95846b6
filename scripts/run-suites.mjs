import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { withServers } from '../packages/local-stack/dist/with-servers.js'
import { tapPrinter } from './tap-printer.mjs'

// What is built on comes first: a mistake there explains those after it.
const suites = [
  'packages/contracts',
  'packages/service-kit',
  'packages/local-stack',
  'services/command-api',
  'services/projector',
  'services/query-api',
  'packages/deployment',
  'packages/system-tests',
  'packages/bench',
]
const repository = fileURLToPath(new URL('..', import.meta.url))

let passed = 0
let failed = 0
try {
  const chosen = choose(process.argv.slice(2))
  await withServers(async (environment) => {
    for (const suite of chosen) await run(suite, environment)
  })
} catch (error) {
  console.log(`error: ${error.message}`)
  failed++
}
process.exitCode = failed === 0 ? 0 : 1
console.log(`${passed} passed, ${failed} failed`)

function choose(names) {
  const byName = new Map(suites.map((suite) => [suite.split('/')[1], suite]))
  const unknown = names.filter((name) => !byName.has(name))
  if (unknown.length > 0)
    throw new Error(`no such suite: ${unknown.join(', ')}. There are ${[...byName.keys()].join(', ')}`)
  return names.length > 0 ? names.map((name) => byName.get(name)) : suites
}

async function run(suite, environment) {
  console.log(`\n${suite}`)
  const options = { cwd: join(repository, suite), env: environment, stdio: ['inherit', 'pipe', 'inherit'] }
  const tap = spawn('tap', ['--reporter=tap'], options)
  const printer = tapPrinter(console.log)
  createInterface({ input: tap.stdout }).on('line', printer.line)
  const [code] = await once(tap, 'close')
  const { total, pass, fail } = printer.sum()
  passed += pass
  // A suite can go wrong without a failed assertion: it crashes, is killed, or finds no test.
  const broken = fail === 0 && (code !== 0 || total === 0)
  failed += broken ? 1 : fail
  console.log(`  ${pass} of ${total} assertions passed${broken ? `, and tap ended with ${code}` : ''}`)
}
