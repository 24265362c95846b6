import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { withServers } from '../packages/local-stack/dist/with-servers.js'
import { tapPrinter } from './tap-printer.ts'

// Tests mostly wait for servers, so three suites run at a time, one file each: two of those that start services, the
// longest first, and beside them one of the others, until these are done. Long suites are cut in parts, so that all
// lanes end at about the same time.
const parts = {
  'packages/system-tests': 2,
  'services/command-api': 4,
  'services/projector': 4,
  'services/query-api': 4,
}
const withServices = [
  'packages/system-tests',
  'packages/local-stack',
  'packages/operator',
  'packages/client',
  'packages/tour',
  'services/command-api',
  'services/projector',
  'services/query-api',
]
const others = [
  'packages/contracts',
  'packages/checker',
  'packages/service-kit',
  'packages/telemetry',
  'packages/describe',
  'packages/deployment',
  'packages/bench',
]
const suites = [...others, ...withServices]
const repository = fileURLToPath(new URL('..', import.meta.url))

let passed = 0
let failed = 0
const notRun = []
try {
  const chosen = choose(process.argv.slice(2))
  if (chosen === suites) await lookForUntested(() => runAll(chosen))
  else await runAll(chosen)
} catch (error) {
  console.log(`error: ${error.message}`)
  failed++
}
if (notRun.length > 0) {
  console.log(`\nnot run on this machine\n${notRun.map((line) => `  ${line}`).join('\n')}`)
  // Continuous integration has to run everything.
  if (process.env.REQUIRE_EVERY_TEST) failed += notRun.length
}
process.exitCode = failed === 0 ? 0 : 1
console.log(`${passed} passed, ${failed} failed`)

async function runAll(chosen) {
  // Tests start hundreds of processes, whose code is compiled once.
  process.env.NODE_COMPILE_CACHE ??= join(repository, 'node_modules/.cache/compiled')
  await withServers(async (environment) => {
    const lane = async (waiting) => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await run(...next, environment)
    }
    const partsOf = (suites) => suites.filter((suite) => chosen.includes(suite)).flatMap(inParts)
    const ofServices = partsOf(withServices)
    const ofOthers = lane(partsOf(others)).then(() => lane(ofServices))
    await Promise.all([lane(ofServices), lane(ofServices), ofOthers])
  })
}

function inParts(suite) {
  const count = parts[suite] ?? 1
  return Array.from({ length: count }, (_, i) => [suite, `${i + 1}/${count}`])
}

function choose(names) {
  const byName = new Map(suites.map((suite) => [suite.split('/')[1], suite]))
  const unknown = names.filter((name) => !byName.has(name))
  if (unknown.length > 0)
    throw new Error(`no such suite: ${unknown.join(', ')}. Suites: ${[...byName.keys()].join(', ')}`)
  return names.length > 0 ? names.map((name) => byName.get(name)) : suites
}

async function run(suite, part, environment) {
  // Printed as a whole at the end, because another suite runs at the same time.
  const lines = []
  const options = { cwd: join(repository, suite), env: environment, stdio: ['inherit', 'pipe', 'inherit'] }
  const tap = spawn(process.execPath, [join(repository, 'scripts/run-suite.mjs'), part], options)
  const printer = tapPrinter((line) => lines.push(line))
  createInterface({ input: tap.stdout }).on('line', printer.line)
  const [code] = await once(tap, 'close')
  const { total, pass, fail } = printer.sum()
  passed += pass
  notRun.push(...printer.notRun())
  // A suite can fail without a failed assertion: it crashes, is killed, or finds no test.
  const broken = fail === 0 && (code !== 0 || total === 0)
  failed += broken ? 1 : fail
  console.log(`\n${suite}${part === '1/1' ? '' : `, part ${part}`}\n${lines.join('\n')}`)
  console.log(`  ${pass} of ${total} assertions passed${broken ? `, and tap exited with ${code}` : ''}`)
}

/** Runs the suites, which record in SEEN_DIR what they see. Each promise that no test has seen is a failure. */
async function lookForUntested(runSuites) {
  const directory = await mkdtemp(join(tmpdir(), 'seen-'))
  process.env.SEEN_DIR = directory
  try {
    await runSuites()
    const program = join(repository, 'packages/system-tests/nothing-untested.ts')
    const { stdout } = await promisify(execFile)(process.execPath, [program, directory])
    const untested = stdout.split('\n').filter((line) => line)
    failed += untested.length
    if (untested.length > 0)
      console.log(`\nnothing untested\n${untested.map((line) => `  not ok - ${line}`).join('\n')}`)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
