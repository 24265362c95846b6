import { existsSync, readFileSync } from 'node:fs'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freshDirectory } from '@cqrs/local-stack/testing'
import t from 'tap'
import type { Fault, HistoryRecord } from '../../consistency/record.ts'
import type { Sample } from '../../consistency/recorder.ts'
import { type PlantedBug, pageOf } from '../../consistency/report/page.ts'
import { latencyPicture, operationsPicture } from '../../consistency/report/pictures.ts'
import { appendRecord, type Run, readRecords, recordOf } from '../../consistency/report/records.ts'
import { commit, versionsOf } from '../../consistency/report/versions.ts'
import { addToReport, currentPage } from '../../consistency/report/write.ts'

const sample = (kind: Sample['kind'], end: number, outcome: Sample['outcome'] = 'ok'): Sample => ({
  ...{ kind, outcome, begin: end - 10, end },
})
const fault = (from: number, to: number, more: Partial<Fault> = {}): Fault => ({
  ...{ nemesis: 'kill -9', what: 'command-api 1', from, to, effect: 'process 12 ended' },
  ...more,
})

/** Ten seconds with a command and a query in each, but no command between 3.5 s and 6.5 s. */
const samples = Array.from({ length: 10 }, (_, second) => [
  ...(second > 3 && second < 6 ? [sample('change', second * 1_000 + 500, 'unknown')] : []),
  ...(second > 3 && second < 6 ? [] : [sample('change', second * 1_000 + 500)]),
  sample('get', second * 1_000 + 600),
]).flat()

const run: Run = {
  seed: 17,
  date: '2026-11-30T08:00:00.000Z',
  commit: 'abc1234',
  versions: { mongodb: '7.0.15', nats: '2.14.0', node: '24.21.0', machine: '2 cores' },
  topology: 'one machine',
  seconds: 10,
  samples,
  faults: [fault(4_000, 5_000)],
  notRun: [],
  violations: [],
  notDecided: 0,
}
const good = recordOf(run)
const page = (...records: HistoryRecord[]) => pageOf({ records, findings: [] })
const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ')

t.test('a record counts operations, and the longest time without progress', async (t) => {
  t.strictSame(good.operations, { change: { ok: 8, unknown: 2 }, get: { ok: 10 } })
  t.strictSame(good.longestWithoutMs, { command: 3_000, query: 1_000 })
  t.strictSame(good.faults[0]?.longestWithoutMs, { command: 3_000, query: 1_000 })

  const lateFault = recordOf({ ...run, faults: [fault(9_000, 9_100)] })
  t.equal(lateFault.faults[0]?.longestWithoutMs.command, 1_000, 'a fault counts only what it had a part of')

  const never = recordOf({ ...run, samples: samples.filter(({ kind }) => kind === 'get') })
  t.equal(never.longestWithoutMs.command, 10_000, 'without any command it is the whole time')

  const lastLook = [...samples, sample('get', 90_000), sample('state', 90_000)]
  t.equal(recordOf({ ...run, samples: lastLook }).longestWithoutMs.query, 1_000, 'the last look is no load')

  const untilTheEnd = recordOf({ ...run, faults: [fault(9_900, 30_000)] })
  t.equal(untilTheEnd.longestWithoutMs.query, 20_400, 'a fault that lasts longer than the load is awaited')
})

t.test('the page says the totals and that there is no violation', async (t) => {
  const text = page(good, { ...good, seed: 18, topology: 'hosts of their own' })
  t.match(
    oneLine(text),
    '**No violation** in 40 operations: 2 histories from 2 seeds, 20 s of load, under 2 faults. ' +
      'Each fault was seen to take effect. ' +
      'The longest time without an acknowledged command is 3.0 s (seed 17: kill -9), without an answered query 1.0 s',
  )
  t.match(text, '| change | 16 | 0 | 4 |')
  t.match(text, '| **commands** | 16 | 0 | 4 |')
  t.match(text, '| **all** | 36 | 0 | 4 |')
  t.match(text, '| kill -9 | 2 | each | process 12 ended | 0 | 1.0 s, 1.0 s | 3.0 s | 1.0 s |')
  t.match(text, '| abc1234 | 2026-11-30 | 2 | 40 | 7.0.15 | 2.14.0 | 24.21.0 | 2 cores |')
  t.match(text, '| one machine | kill -9 | 1 | 20 | 0 | 17 |')
  t.match(text, '| hosts of their own | kill -9 | 1 | 20 | 0 | 18 |')
  t.match(text, '**On hosts of their own** (1 history)')
  t.notMatch(text, '## Violations')
  t.notMatch(text, 'planted bugs', 'nothing of bugs that were not planted')
})

t.test('each violation is shown, with the finding that explains it or that none does', async (t) => {
  const bad = {
    ...good,
    violations: ['order: version 3 of a user is missing\n  line 8, client c1: change', 'mail: two'],
  }
  const text = page(bad, { ...good, seed: 18 })
  t.match(oneLine(text), '**2 violations** in 1 of 2 histories ([**2 not explained**](#violations))')
  t.match(text, 'Seed 17, commit abc1234, 2026-11-30, on one machine. **Not explained.**')
  t.match(text, '\norder: version 3 of a user is missing\n  line 8, client c1: change\nmail: two\n')
  t.match(text, '| one machine | kill -9 | 2 | 40 | 2 | 17, 18 |')

  const other = { what: 'something else', mend: 'mended', test: 'a/b.test.ts' }
  const finding = {
    ...other,
    what: 'a version was lost',
    histories: [{ seed: 17, commit: 'abc1234' }],
    commit: 'def5678',
  }
  const explained = pageOf({ records: [bad], findings: [other, finding] })
  t.match(oneLine(explained), '([each explained](#violations))')
  t.match(explained, 'Explained by [finding 2](#found-on-the-way).')
  t.match(explained, '| 2 | a version was lost | mended (def5678) | [b.test.ts](../a/b.test.ts) |')

  const atAnotherCommit = pageOf({ records: [{ ...bad, commit: '0000000' }], findings: [finding] })
  t.match(atAnotherCommit, '**Not explained.**', 'the same seed of another commit can show something else')
})

t.test('a fault without effect is a failure', async (t) => {
  const faults = [fault(1_000, 2_000), fault(3_000, 4_000, { effect: '', what: 'query-api 2' })]
  const text = page(recordOf({ ...run, faults }))
  t.match(oneLine(text), 'under 2 faults. **1 fault had no effect**, which is a failure.')
  t.notMatch(text, 'Each fault was seen')
  t.match(text, '| kill -9 | 2 | **1 of 2: failed** | process 12 ended |')
  t.match(text, '- seed 17, after 3.0 s: kill -9, query-api 2')
})

t.test('what was not run and not decided is said', async (t) => {
  const text = page({ ...good, notRun: ['cuts: they need root'], notDecided: 2 })
  t.match(oneLine(text), '2 searches of the checker decided nothing: cut off.')
  t.match(text, '- cuts: they need root (in 1 history)')
})

t.test('effects that differ in numbers are one, and faults at the same time are counted', async (t) => {
  const faults = [
    fault(1_000, 3_000),
    fault(2_000, 2_500, { nemesis: 'SIGSTOP', effect: 'state T' }),
    fault(6_000, 7_000, { effect: 'process 13 ended' }),
    fault(8_000, 9_000, { effect: 'no answer | refused' }),
  ]
  const text = page(recordOf({ ...run, faults }))
  t.match(text, '| kill -9 | 3 | each | process 12 ended (2); no answer \\| refused (1) | 1 | 1.0 s, 2.0 s |')
  t.match(text, '| SIGSTOP | 1 | each | state T | 1 | 500 ms, 500 ms |')
})

t.test('planted bugs are listed, also those that were not found', async (t) => {
  const bug: PlantedBug = {
    name: 'stale cache',
    what: 'entries have no version',
    rule: 'fresh',
    operations: 4_321,
    seconds: 42,
  }
  const planted = [bug, { ...bug, name: 'other', rule: null }]
  const text = pageOf({ records: [good], findings: [], planted })
  t.match(oneLine(text), '1 of 2 [planted bugs](#planted-bugs) are found.')
  t.match(text, '| stale cache | entries have no version | fresh | 4,321 | 42 s |')
  t.match(text, '| other | entries have no version | **not found** |')
})

t.test('hundreds of seeds stay readable, and each can be found with its commit', async (t) => {
  const records = Array.from({ length: 300 }, (_, i) => ({ ...good, seed: i + 1 }))
  const text = page(...records, { ...good, seed: 400, commit: 'def5678' })
  t.match(text, '| one machine | kill -9 | 301 | 6,020 | 0 | abc1234: 1–300; def5678: 400 |')
  t.ok(text.split('\n').length < 200)
})

t.test('the pictures have a band for each fault, where it was', async (t) => {
  const faults = [
    fault(2_500, 5_000, { what: 'a <part>' }),
    fault(4_000, 4_500, { nemesis: 'SIGSTOP', effect: '' }),
    fault(9_000, 10_000),
  ]
  for (const picture of [operationsPicture, latencyPicture]) {
    const svg = picture({ ...run, faults })
    // 880 wide, from 64.
    t.strictSame(bandsIn(svg), [
      { classes: 'band', x: 64 + 220, width: 220, label: 'kill -9: a &lt;part>' },
      { classes: 'band without-effect', x: 64 + 352, width: 44, label: 'SIGSTOP: command-api 1 (no effect)' },
      { classes: 'band', x: 64 + 792, width: 88, label: 'kill -9: command-api 1' },
    ])
    t.match(svg, /@media \(prefers-color-scheme: dark\)/)
    t.notMatch(svg, /NaN|undefined|Infinity/)
    t.ok(svg.split('\n').every((line) => line.length <= 120))
  }
})

t.test('the pictures show when which outcome came, and how long it took', async (t) => {
  const few = [sample('change', 1_500), sample('get', 1_600), sample('get', 7_500, 'unknown')]
  const slow: Sample = { kind: 'change', outcome: 'ok', begin: 4_100, end: 5_100 }
  const drawn = { ...run, faults: [], samples: [...few, slow, sample('state', 2_000), sample('get', 60_000)] }
  const operations = operationsPicture(drawn)
  t.strictSame(xsIn(operations, 'ok'), [152, 504], 'in the seconds 1 and 5')
  t.strictSame(xsIn(operations, 'unknown'), [680])
  t.strictSame(xsIn(operations, 'failed'), [])

  const latencies = latencyPicture(drawn)
  const [, commands = ''] = /<g class="commands">(.*?)<\/g>/s.exec(latencies) ?? []
  const [, queries = ''] = /<g class="queries">(.*?)<\/g>/s.exec(latencies) ?? []
  t.strictSame(xsIn(commands, 'p50'), [152, 416], 'in the second in which a command began')
  t.strictSame(xsIn(commands, 'lost'), [])
  t.strictSame(xsIn(queries, 'p50'), [152])
  t.equal(xsIn(queries, 'lost').length, 1)
  const [fast = 0, slower = 0] = [...commands.matchAll(/ cy="(\S+)"/g)].map(([, y]) => Number(y))
  // 150 high from 1 ms to 1 s, which is 100 times as long as the other.
  t.equal(fast - slower, 100)
})

t.test('records are read as they were appended', async (t) => {
  const file = join(await freshDirectory(t), 'histories.ndjson')
  t.strictSame(await readRecords(file), [], 'there is no file yet')
  await appendRecord(file, good)
  await appendRecord(file, { ...good, seed: 18 })
  t.strictSame(await readRecords(file), [good, { ...good, seed: 18 }])
  t.equal((await readFile(file, 'utf8')).split('\n').length, 3, 'one line each')
  await t.rejects(appendRecord(file, { ...good, seed: -1 }), { message: 'not a record: seed is not valid' })
  t.equal((await readRecords(file)).length, 2)
})

t.test('a malformed line is refused by its number', async (t) => {
  const file = join(await freshDirectory(t), 'histories.ndjson')
  const { commit: _, ...withoutCommit } = good
  const malformed: [unknown, string][] = [
    ['{', 'not JSON'],
    ['', 'not JSON'],
    [[], 'not an object'],
    [withoutCommit, 'commit is missing'],
    [{ ...good, sede: 1 }, 'sede is unknown'],
    [{ ...good, date: 'yesterday' }, 'date is not valid'],
    [{ ...good, topology: 'two machines' }, 'topology is not valid'],
    [{ ...good, operations: { gett: { ok: 1 } } }, 'operations is not valid'],
    [{ ...good, operations: { get: { okay: 1 } } }, 'operations is not valid'],
    [{ ...good, operations: { get: { ok: 1.5 } } }, 'operations is not valid'],
    [{ ...good, faults: [fault(1, 2)] }, 'faults is not valid'],
    [{ ...good, violations: [''] }, 'violations is not valid'],
    [good, 'this history is there twice'],
  ]
  for (const [line, problem] of malformed) {
    await writeFile(file, '')
    await appendRecord(file, good)
    await appendFile(file, `${typeof line === 'string' ? line : JSON.stringify(line)}\n`)
    await t.rejects(readRecords(file), { message: `${file}, line 2: ${problem}` }, problem)
  }
})

t.test('a run adds its record, the page and, if it had faults, the pictures', async (t) => {
  const docs = await freshDirectory(t)
  await addToReport(run, docs)
  const picture = await readFile(join(docs, 'images/consistency-operations.svg'), 'utf8')
  t.match(picture, 'seed 17')
  await addToReport({ ...run, seed: 18, faults: [] }, docs)
  t.equal(await readFile(join(docs, 'images/consistency-operations.svg'), 'utf8'), picture)
  const text = await readFile(join(docs, 'consistency.md'), 'utf8')
  t.match(text, '2 histories from 2 seeds')
  t.match(text, 'Seed 17 on one machine, 2026-11-30, commit abc1234; the last with faults.')
  t.match(text, '| one machine | none | 1 | 20 | 0 | 18 |')
})

t.test('the versions are those of what runs, and the page says what a Windows build leaves open', async (t) => {
  const info = { version: '7.0.15', buildEnvironment: { target_os: 'windows' } }
  const write: any = { admin: () => ({ command: async () => info }) }
  const nats: any = { info: { version: '2.14.0' } }
  const versions = await versionsOf({ write, nats })
  t.match(versions, { mongodb: '7.0.15 (Windows build under wine)', nats: '2.14.0', node: process.versions.node })
  t.match(page({ ...good, versions }), 'MongoDB for Linux: where only')
  t.notMatch(page(good), 'MongoDB for Linux')
  t.match(commit(), /^([0-9a-f]{7,}(-dirty)?|unknown)$/)
})

t.test('docs/consistency.md is what its records say', async (t) => {
  const docs = fileURLToPath(new URL('../../../../docs/', import.meta.url))
  const file = join(docs, 'consistency.md')
  if (existsSync(join(docs, 'consistency/histories.ndjson')))
    t.equal(readFileSync(file, 'utf8'), await currentPage(), 'written by npm run test:consistency')
  else t.notOk(existsSync(file), 'no page without records')
})

const bandsIn = (svg: string) =>
  [...svg.matchAll(/class="(band[^"]*)" x="(\S+)"[^>]*?width="(\S+)"[^>]*><title>(.*?)<\/title>/gs)].map(
    ([, classes, x, width, label]) => ({ classes, x: Number(x), width: Number(width), label }),
  )

/** Where the parts of a path begin, without those of the legend. */
function xsIn(svg: string, name: string): number[] {
  const [, path = ''] = new RegExp(`^<path class="${name}" d="([^"]*)"`, 'm').exec(svg) ?? []
  return [...path.matchAll(/M(\S+) /g)].map(([, x]) => Number(x))
}
