import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const documents = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true }).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'))
const text = (name: string) => readFileSync(join(root, name), 'utf8')

t.test('every link to a file has a target', async (t) => {
  for (const name of documents) {
    for (const [, target = ''] of text(name).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (!target.startsWith('http')) t.ok(existsSync(join(root, dirname(name), target)), `${name} → ${target}`)
    }
  }
})

t.test('every link to a section has one', async (t) => {
  for (const name of documents) {
    for (const [, file = '', anchor = ''] of text(name).matchAll(/\]\(([^)#\s:]*)#([^)\s]+)\)/g)) {
      const target = file ? join(dirname(name), file) : name
      if (target.endsWith('.md')) t.ok(anchorsOf(text(target)).has(anchor), `${name} → ${target}#${anchor}`)
    }
  }
})

t.test('every npm command that is shown exists, and none needs pnpm', async (t) => {
  const scripts: Record<string, string> = JSON.parse(text('package.json')).scripts
  for (const name of documents) {
    for (const [, command = ''] of text(name).matchAll(/^npm(?: run)?(?: --silent)? ([a-z:]+)/gm))
      t.ok(Object.hasOwn(scripts, command), `${name}: ${command}`)
    for (const [shown, command = ''] of text(name).matchAll(/\bpnpm (?:run )?([a-z:]+)/g))
      t.notOk(Object.hasOwn(scripts, command), `${name}: ${shown}`)
  }
  for (const [name, script] of Object.entries(scripts)) t.notMatch(script, /pnpm/, name)
})

t.test('the changelog begins with the version of package.json', async (t) => {
  const [version] = /^## \[.*?\]/m.exec(text('CHANGELOG.md')) ?? []
  t.equal(version, `## [${JSON.parse(text('package.json')).version}]`)
})

t.test('every program that a script runs exists', async (t) => {
  const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> }
  const run = Object.values(scripts).flatMap((script) => {
    const [, folder = ''] = /cd (\S+)/.exec(script) ?? []
    return [...script.matchAll(/\bnode (?:-\S+ )*(?:scripts\/run\.mjs \S+ )?(\S+\.m?[jt]s)/g)].map(([, program = '']) =>
      join(folder, program),
    )
  })
  t.ok(run.length > 10)
  // What is built stands beside its source.
  for (const program of run)
    t.ok(existsSync(join(root, program.replace('/dist/', '/src/').replace(/\.js$/, '.ts'))), program)
})

t.test('decisions are numbered without a gap, each with the number that its title says', async (t) => {
  const files = readdirSync(join(root, 'docs/decisions')).sort()
  const numbers = files.map((_, i) => i + 1)
  t.strictSame(
    files.map((file) => Number(file.slice(0, 4))),
    numbers,
  )
  t.strictSame(
    files.map((file) => Number(/^# (\d+)\./.exec(text(`docs/decisions/${file}`))?.[1])),
    numbers,
  )
})

t.test('the table of faults has each kind of fault for each part, with a test', async (t) => {
  const [, table = ''] = /^## The faults\n(.*?)^## /ms.exec(text('docs/reliability.md')) ?? []
  const parts = table.split(/^### /m).slice(1)
  t.strictSame(
    parts.map((part) => part.split('\n')[0]),
    ['Write database', 'Read database', 'NATS', 'Redis', 'Mail server', 'command-api, projector, query-api', 'Clients'],
  )
  for (const part of parts) {
    const rows = part.split('\n').filter((line) => /^\| (?!fault )/.test(line))
    const faults = rows.map((row) => row.split('|')[1]).join(' ')
    for (const fault of ['dies', 'hang', 'refuses', 'is full', 'clock', 'grows', 'changes', 'lies'])
      t.match(faults, fault, `${part.split('\n')[0]}: ${fault}`)
    for (const row of rows) t.match(row, /\[[^\]]+\]\(\S+\.ts\)/, row.slice(0, 60))
  }
})

/** The anchors that GitHub gives to the headings. */
function anchorsOf(document: string): Set<string> {
  const headings = [...document.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\d _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}
