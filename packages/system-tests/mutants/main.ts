import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { changed, copyParts } from '@cqrs/local-stack/testing'
import { type Mutant, mutants } from './mutants.ts'

/**
 * `npm run test:mutants`: breaks the product in one place at a time, in a copy of the repository, and runs the tests
 * that guard this place. They must fail. `--only relay` takes the mutants with that in their file or description; a
 * run of all of them writes docs/mutants.md.
 */
const { values } = parseArgs({ options: { only: { type: 'string' } } })
const chosen = mutants.filter(({ file, what }) => `${file} ${what}`.includes(values.only ?? ''))
const repository = fileURLToPath(new URL('../../../', import.meta.url))

const survivors: Mutant[] = []
// Two at a time, because tests mostly wait for servers; each in a copy of its own.
const copies = [await copyRepository(), await copyRepository()]
try {
  // A test that fails anyway kills every mutant, so all must pass before anything is changed.
  await inEachCopy([...new Set(chosen.flatMap(({ tests }) => tests))], async (test, copy) => {
    const { code, output } = await runTest(test, copy)
    if (code !== 0) throw new Error(`${test} fails without a mutant:\n${output}`)
  })
  await inEachCopy(chosen, async (mutant, copy) => {
    const isKilled = await kills(mutant, copy)
    if (!isKilled) survivors.push(mutant)
    console.log(`${isKilled ? 'killed   ' : 'SURVIVED '} ${mutant.file}: ${mutant.what}`)
  })
} finally {
  for (const copy of copies) await rm(copy, { recursive: true, force: true })
}
if (!values.only) await writeFile(join(repository, 'docs/mutants.md'), report())
console.log(`${chosen.length - survivors.length} of ${chosen.length} mutants killed`)
process.exitCode = survivors.length === 0 ? 0 : 1

async function inEachCopy<Item>(items: readonly Item[], work: (item: Item, copy: string) => Promise<void>) {
  const waiting = [...items]
  const lane = async (copy: string) => {
    for (let item = waiting.shift(); item; item = waiting.shift()) await work(item, copy)
  }
  await Promise.all(copies.map(lane))
}

/** Everything but what is installed at the root and kept between runs. */
async function copyRepository(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'mutants-'))
  const files = ['package.json', 'tsconfig.json', 'tsconfig.base.json', '.taprc']
  await copyParts(['packages', 'services', 'docs', ...files], directory)
  return directory
}

/** Whether one of the mutant's tests fails. One that does not compile is not killed: no test has noticed it. */
async function kills(mutant: Mutant, copy: string): Promise<boolean> {
  const file = join(copy, mutant.file)
  const source = await readFile(file, 'utf8')
  await writeFile(file, changed(source, mutant))
  try {
    const { code, output } = await run('tsc', ['-b'], copy)
    if (code !== 0) {
      console.log(`does not compile: ${mutant.what}\n${output}`)
      return false
    }
    for (const test of mutant.tests) if ((await runTest(test, copy)).code !== 0) return true
    return false
  } finally {
    await writeFile(file, source) // the build of the next mutant takes it back
  }
}

/** @param test as `services/projector/test/consume.test.ts` */
function runTest(test: string, copy: string) {
  const [kind = '', name = '', ...path] = test.split('/')
  return run('tap', ['--reporter=terse', '--jobs=1', '--bail', path.join('/')], join(copy, kind, name))
}

async function run(command: string, args: string[], cwd: string): Promise<{ code: number; output: string }> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: code ?? 1, output: output + errors }
}

function report(): string {
  const rows = mutants.map((mutant) => {
    const outcome = survivors.includes(mutant) ? '**survived**' : 'killed'
    return `| [${mutant.file}](../${mutant.file}) | ${mutant.what} | ${outcome} |`
  })
  return `# Mutants

\`npm run test:mutants\` breaks the product in one place at a time and runs the tests that guard this place: they must
fail. A mutant that does not compile counts as survived, and a test that fails without one ends the run.
${mutants.length - survivors.length} of ${mutants.length} mutants are killed. The mutants are in
[packages/system-tests/mutants/mutants.ts](../packages/system-tests/mutants/mutants.ts).

| file | what is broken | outcome |
|---|---|---|
${rows.join('\n')}
`
}
