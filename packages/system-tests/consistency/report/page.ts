import type { Kind, Outcome } from '@cqrs/checker'
import type { Finding } from '../findings.ts'
import type { HistoryRecord, LongestWithout } from '../record.ts'
import { endOfLoad, type Group, groupOf, outcomes } from './records.ts'
import { topologies } from './topologies.ts'

/** A bug that was planted into a copy of the system, and what found it. */
export type PlantedBug = {
  name: string
  /** What is broken. */
  what: string
  /** The rule of the checker that found it; null if none did. */
  rule: string | null
  /** How much it took. */
  operations: number
  seconds: number
}

export type Report = {
  records: readonly HistoryRecord[]
  findings: readonly Finding[]
  /** Undefined if they were not tried. */
  planted?: readonly PlantedBug[] | undefined
}

/** docs/consistency.md: what all recorded histories have shown so far. */
export function pageOf({ records, findings, planted }: Report): string {
  const sections = [
    `# Consistency

<!-- \`npm run test:consistency\` writes this file. What it says by hand: packages/system-tests/consistency/. -->

${verdict(records, findings, planted)}

Clients contend for the same users while parts of the system are killed, stopped and cut off. What they send and what
they are told is recorded, and a [checker](../packages/checker/README.md) that knows nothing of the system judges
whether it keeps its [promises](reliability.md). This shows faults, and cannot show that there are none.`,
    violationsOf(records, findings),
    howToRun,
    topologyOf(records),
    load,
    operationsOf(records),
    faultsOf(records),
    picturesOf(records),
    planted && plantedOf(planted),
    foundOnTheWay(findings),
    whatRan(records),
    seedsOf(records),
    notCovered(records),
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

function verdict(records: readonly HistoryRecord[], findings: readonly Finding[], planted: Report['planted']): string {
  const violations = records.flatMap((record) => record.violations.map(() => record))
  const explained = violations.filter((record) => explanationOf(record, findings) > 0).length
  const faults = records.flatMap(({ faults }) => faults)
  const without = faults.filter(({ effect }) => !effect).length
  const seeds = new Set(records.map(({ seed }) => seed)).size
  const seconds = sum(records.map((record) => endOfLoad(record.seconds, record.faults) / 1_000))
  const bad = records.filter(({ violations }) => violations.length > 0).length
  const notDecided = sum(records.map((record) => record.notDecided))
  const found = planted?.filter(({ rule }) => rule).length
  const operations = `${number(totalOf(records))} operations`
  const open = violations.length - explained
  const sentences = [
    violations.length === 0
      ? `**No violation** in ${operations}:`
      : `**${counted(violations.length, 'violation')}** in ${bad} of ${historiesOf(records)}
         ([${open === 0 ? 'each explained' : `**${open} not explained**`}](#violations)), in ${operations}:`,
    `${historiesOf(records)} from ${counted(seeds, 'seed')}, ${lasting(seconds)} of load,
     under ${counted(faults.length, 'fault')}.`,
    without > 0 ? `**${counted(without, 'fault')} had no effect**, which is a failure.` : '',
    faults.length > 0 && without === 0 ? 'Each fault was seen to take effect.' : '',
    notDecided > 0 ? `${counted(notDecided, 'search', 'searches')} of the checker decided nothing: cut off.` : '',
    `The longest time without an acknowledged command is ${longestOf(records, 'command')}, without an answered query
     ${longestOf(records, 'query')}.`,
    planted ? `${found} of ${planted.length} [planted bugs](#planted-bugs) are found.` : '',
  ]
  return wrapped(sentences.join(' '))
}

function longestOf(records: readonly HistoryRecord[], group: keyof LongestWithout): string {
  const [longest] = records.toSorted((one, other) => other.longestWithoutMs[group] - one.longestWithoutMs[group])
  if (!longest) return 'not known'
  const ms = longest.longestWithoutMs[group]
  const parts = longest.faults.filter((fault) => fault.longestWithoutMs[group] === ms)
  const names = [...new Set(parts.map(({ nemesis }) => nemesis))].join(', ')
  return `${time(ms)} (seed ${longest.seed}${names && `: ${names}`})`
}

const howToRun = `## How to run it

\`\`\`sh
npm run test:consistency -- --minutes 5 --seed 42
\`\`\`

records histories for five minutes, judges each, adds it to
[histories.ndjson](consistency/histories.ndjson), and writes this page from all that stand there. A seed repeats
what clients send and which faults come when. It does not repeat how the threads of a dozen processes interleave, so a
rare violation can need more than one attempt. A history is a file, which can be judged again:

\`\`\`sh
node packages/checker/dist/cli.js FILE
\`\`\``

const load = `## Load

Sixteen clients, each one request after the other, straight to a process or through the gateway
([client.ts](../packages/system-tests/consistency/client.ts)). They contend for 50 addresses, some of them at the
same moment, register new users besides, and send 44 % of their requests about the same five users, half of these
about one. 70 % or more are queries, eight of ten of these by id. Nine of ten queries send the consistency tokens of
what their client was told; 30 % of the changes have \`If-Match\`, 30 % of the changes and 70 % of the registrations an
\`Idempotency-Key\`. A few requests are about deleted users, or come with a token of the user itself, also of a session
that ended up to two minutes ago.

A client waits for an answer for 3 s (a quarter of them) or 12 s. After an unknown outcome, a refused connection, 429 or
503 it sends a command again, three times at most, if HTTP allows that (RFC 9110, 9.2.2) or the command has a key. 30 %
of the commands with a key are also sent again after an answer, at once or within 6 s, as if it were lost. For the
checker an unknown outcome stays unknown: the command may take effect at any later time, once.

## What is checked

Everything that the [rules of the checker](../packages/checker/README.md#the-rules) name. At the end of a history each
user is read from the write database with read concern \`linearizable\`, and from every query-api; read models are
compared with it, mails are awaited, and all stores are searched for content of deleted users. Two rules have bounds,
which the first line of a history contains: after how long a query refuses a revoked token, and after how long one
without a token no longer shows a deleted user. They allow for the longest fault.`

function operationsOf(records: readonly HistoryRecord[]): string {
  const count = (kinds: readonly Kind[], outcome: Outcome) =>
    sum(records.flatMap(({ operations }) => kinds.map((kind) => operations[kind]?.[outcome] ?? 0)))
  const row = (name: string, kinds: readonly Kind[]) => [
    name,
    ...outcomes.map((outcome) => number(count(kinds, outcome))),
  ]
  const rows = Object.entries(groups).flatMap(([group, name]) => {
    const kinds = kindsOf(group as Group)
    return [...kinds.map((kind) => row(kind, [kind])), ...(kinds.length > 1 ? [row(`**${name}**`, kinds)] : [])]
  })
  rows.push(row('**all**', Object.keys(groupOf) as Kind[]))
  return `## Operations

${table(['operation', 'ok', 'refused', 'unknown'], rows)}

*Refused* is certainly without effect: 4xx, mostly what contention causes (404, 409, 412), 503 that says that nothing
was done, and a connection that was refused, which was *unknown* up to commit beac90b. *Unknown* is no answer, or
another 5xx; a query has then shown nothing. \`state\` is the recorder's own look at the write database. Requests that
are sent again count each time.`
}

const groups = { command: 'commands', 'sign-in': 'sign-in', query: 'queries', observer: 'observer' } satisfies Record<
  Group,
  string
>
const kindsOf = (group: Group): Kind[] => (Object.keys(groupOf) as Kind[]).filter((kind) => groupOf[kind] === group)

type RecordedFault = HistoryRecord['faults'][number] & { record: HistoryRecord }

function faultsOf(records: readonly HistoryRecord[]): string {
  const all = records.flatMap((record) => record.faults.map((fault) => ({ ...fault, record })))
  const rows = byName(all, ({ nemesis }) => nemesis).map(([nemesis, faults]) => {
    const effective = faults.filter(({ effect }) => effect)
    const isWhole = effective.length === faults.length
    const lengths = faults.map(({ from, to }) => to - from).sort((one, other) => one - other)
    const longest = (group: keyof LongestWithout) => time(Math.max(...faults.map((one) => one.longestWithoutMs[group])))
    return [
      ...[nemesis, number(faults.length)],
      isWhole ? 'each' : `**${effective.length} of ${faults.length}: failed**`,
      formsOf(effective.map(({ effect }) => effect)),
      number(faults.filter((fault) => isWithAnother(fault)).length),
      `${time(lengths[Math.floor(lengths.length / 2)] ?? 0)}, ${time(lengths.at(-1) ?? 0)}`,
      longest('command'),
      longest('query'),
    ]
  })
  const columns = ['fault', 'times', 'took effect', 'seen by', 'together with another', 'lasted (median, longest)']
  const failed = all.filter(({ effect }) => !effect)
  const notRun = byName(
    records.flatMap(({ notRun }) => notRun),
    (what) => what,
  )
  return [
    '## Faults',
    rows.length === 0
      ? 'There was none yet.'
      : table([...columns, 'longest without a command', 'longest without a query'], rows),
    rows.length > 0 &&
      wrapped(`The last two columns are the longest time without an acknowledged command, or an answered query, of which
        such a fault had a part: the time that the system needs after its end counts as well.`),
    failed.length > 0 &&
      `**Without effect**, a failure of the run:\n\n${list(
        failed.map(
          ({ nemesis, what, from, record }) => `seed ${record.seed}, after ${time(from)}: ${nemesis}, ${what}`,
        ),
      )}`,
    notRun.length > 0 && `**Not run:**\n\n${list(notRun.map(([what, of]) => `${what} (in ${historiesOf(of)})`))}`,
  ]
    .filter(Boolean)
    .join('\n\n')
}

const isWithAnother = ({ record, ...fault }: RecordedFault): boolean =>
  record.faults.filter(({ from, to }) => from < fault.to && to > fault.from).length > 1

/** Texts that differ in their numbers alone count as one. The most frequent are shown. */
function formsOf(effects: readonly string[], most = 3): string {
  const forms = byName(effects, (effect) => effect.replaceAll(/\d+([.,]\d+)*/g, '0')).sort(
    ([, one], [, other]) => other.length - one.length,
  )
  const shown = forms.slice(0, most).map(([, of]) => (forms.length > 1 ? `${of[0]} (${of.length})` : (of[0] ?? '')))
  return [...shown, ...(forms.length > most ? [`${forms.length - most} more`] : [])].join('; ')
}

function picturesOf(records: readonly HistoryRecord[]): string | false {
  const pictured = records.findLast(({ faults }) => faults.length > 0)
  if (!pictured) return false
  const { seed, date, topology, commit } = pictured
  return `## One history

Seed ${seed} on ${topology}, ${date.slice(0, 10)}, commit ${commit}; the last with faults.

![Answers per second by outcome, with the faults as bands](images/consistency-operations.svg)

![Time to the answer of commands and queries, with the faults as bands](images/consistency-latency.svg)

An answer counts in the second in which it came, its time in the second in which the request was sent. Where a line
has a gap, no request was sent that succeeded.`
}

function violationsOf(records: readonly HistoryRecord[], findings: readonly Finding[]): string | false {
  const bad = records.filter(({ violations }) => violations.length > 0)
  if (bad.length === 0) return false
  const texts = bad.map((record) => {
    const finding = explanationOf(record, findings)
    const explanation = finding > 0 ? `Explained by [finding ${finding}](#found-on-the-way).` : '**Not explained.**'
    const { seed, commit, date, topology } = record
    return `Seed ${seed}, commit ${commit}, ${date.slice(0, 10)}, on ${topology}. ${explanation}

\`\`\`
${record.violations.join('\n')}
\`\`\``
  })
  return `## Violations\n\n${texts.join('\n\n')}`
}

/** @returns the number of the finding that explains what a history shows, from 1; 0 if none does */
const explanationOf = ({ seed, commit }: HistoryRecord, findings: readonly Finding[]): number =>
  findings.findIndex(({ histories = [] }) => histories.some((one) => one.seed === seed && one.commit === commit)) + 1

function plantedOf(planted: readonly PlantedBug[]): string {
  const rows = planted.map(({ name, what, rule, operations, seconds }) => [
    ...[name, what, rule ?? '**not found**', number(operations), `${number(seconds)} s`],
  ])
  return `## Planted bugs

\`npm run test:planted\` plants each bug into a copy of the system, and lets the same clients loose on it, with the
fault that the bug needs to be seen
([bugs.ts](../packages/system-tests/consistency/planted/bugs.ts)), until the checker finds a violation. The history
that shows one is made small and kept as a [test of the checker](../packages/checker/test/histories/bad/).

${table(['bug', 'what is broken', 'found by', 'operations', 'after'], rows)}`
}

function foundOnTheWay(findings: readonly Finding[]): string {
  const rows = findings.map(({ what, mend, test, commit }, i) => [
    ...[String(i + 1), what, `${mend}${commit ? ` (${commit})` : ''}`].map((text) => text.replaceAll(/\s+/g, ' ')),
    `[${test.split('/').at(-1)}](../${test})`,
  ])
  const found = rows.length > 0 ? table(['', 'what was wrong', 'mend', 'test'], rows) : 'Nothing in these histories.'
  return `## Found on the way

${found}

A hunt with an early form of this checker had found nine faults before. They are mended; their tests are among those of
[reliability.md](reliability.md).

One history was taken out, seed 5026 of 6bd13de: the last search of its stores met an election of JetStream and was not
repeated, as it is now, so it was not judged whole. The checker found nothing in what there was.`
}

function topologyOf(records: readonly HistoryRecord[]): string {
  const parts = byName(records, ({ topology }) => topology).map(([topology, of]) => {
    const { words, drawing } = topologies[topology as HistoryRecord['topology']]
    return `${wrapped(`**On ${topology}** (${historiesOf(of)}). ${words}`)}\n\n\`\`\`\n${drawing}\n\`\`\``
  })
  return `## Topology\n\n${parts.join('\n\n')}`
}

function whatRan(records: readonly HistoryRecord[]): string {
  const rows = byName(records, ({ commit, versions }) => JSON.stringify([commit, versions])).map(([, of]) => {
    const [{ commit, versions } = of[0] as HistoryRecord] = of
    const days = [...new Set(of.map(({ date }) => date.slice(0, 10)))].sort()
    const dates = days.length > 1 ? `${days[0]} to ${days.at(-1)}` : (days[0] ?? '')
    const { mongodb, nats, node, machine } = versions
    return [commit, dates, number(of.length), number(totalOf(of)), mongodb, nats, node, machine]
  })
  return `## What ran

${table(['commit', 'when', 'histories', 'operations', 'MongoDB', 'NATS', 'Node', 'machine'], rows)}`
}

function seedsOf(records: readonly HistoryRecord[]): string {
  const hasCommits = new Set(records.map(({ commit }) => commit)).size > 1
  const groups = byName(records, ({ topology, faults }) => JSON.stringify([topology, combination(faults)]))
  const rows = groups.map(([group, of]) => {
    const [topology, faults] = JSON.parse(group) as [string, string]
    const seeds = byName(of, ({ commit }) => commit).map(
      ([commit, those]) => `${hasCommits ? `${commit}: ` : ''}${rangesOf(those.map(({ seed }) => seed))}`,
    )
    return [
      topology,
      faults,
      number(of.length),
      number(totalOf(of)),
      String(sum(of.map((one) => one.violations.length))),
      seeds.join('; '),
    ]
  })
  rows.sort((one, other) => `${one[0]} ${one[1]}`.localeCompare(`${other[0]} ${other[1]}`))
  return `## Seeds

${table(['topology', 'faults in one history', 'histories', 'operations', 'violations', 'seeds'], rows)}`
}

function combination(faults: HistoryRecord['faults']): string {
  const names = [...new Set(faults.map(({ nemesis }) => nemesis))].sort()
  return names.length > 3 ? `${names.length} kinds` : names.join(' + ') || 'none'
}

/** Such as "1–12, 15". */
function rangesOf(seeds: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const seed of [...new Set(seeds)].sort((one, other) => one - other)) {
    const last = ranges.at(-1)
    if (last && last[1] === seed - 1) last[1] = seed
    else ranges.push([seed, seed])
  }
  return ranges
    .map(([from, to]) => (from === to ? from : to === from + 1 ? `${from}, ${to}` : `${from}–${to}`))
    .join(', ')
}

function notCovered(records: readonly HistoryRecord[]): string {
  const isOnWine = records.some(({ versions }) => versions.mongodb.includes('wine'))
  const wine = `MongoDB for Linux: where only package registries can be reached, its Windows build runs under wine, and
    files and connections are those of wine.`
  return `## What this does not cover\n\n${list([...uncovered, ...(isOnWine ? [wine] : [])])}`
}

const uncovered = [
  `The numbers of statistics and totals. Freshness is judged by the users that a query shows, and statistics show
   none.`,
  `Refusals. A 404, 409 or 412 promises nothing ([decision 21](decisions/0021-answers-a-majority-has.md)); only that a
   refused command has no effect is judged.`,
  'Log-out of one session, and users whose versions an operator raises after a restore.',
  'What takes longer than a history: idempotency keys after 24 hours, sessions and tombstones that expire by age.',
  `Order between users. Events of different users are applied independently, and no promise says otherwise ([fresh
   queries](freshness.md#what-it-does-not-say)).`,
  'Stores larger than memory. Each history begins with an admin alone, and its users are deleted at the end.',
  `Several locations, and machines that fail independently. All processes share one kernel, one disk and one clock, as
   far as no fault changes it.`,
  `Disks that lose or change what they have acknowledged. After \`kill -9\` the kernel still has what was written; a
   power failure is not simulated.`,
  'Nodes that lie (Byzantine faults), and forged messages.',
  'Sharded MongoDB, Redis, and any version, topology or setting that is not named above.',
]

const totalOf = (records: readonly HistoryRecord[]): number =>
  sum(records.flatMap(({ operations }) => Object.values(operations).flatMap((counts) => Object.values(counts))))

/** Groups in the order in which each is first met. */
function byName<Item>(items: readonly Item[], nameOf: (item: Item) => string): [string, Item[]][] {
  return [...Map.groupBy(items, nameOf)]
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)
const number = (value: number): string => Math.round(value).toLocaleString('en-US')
const counted = (count: number, one: string, many = `${one}s`): string => `${number(count)} ${count === 1 ? one : many}`
const historiesOf = (of: readonly unknown[]): string => counted(of.length, 'history', 'histories')
const time = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`)

function lasting(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${number(Math.floor(minutes / 60))} h ${minutes % 60} min`
}

const list = (items: readonly string[]): string => items.map((item) => wrapped(`- ${item}`, '  ')).join('\n')

/** Fills lines of 120 characters; those after the first begin with `indent`. */
function wrapped(text: string, indent = ''): string {
  const lines: string[] = []
  for (const word of text.trim().split(/\s+/)) {
    const line = lines.at(-1)
    if (line === undefined || line.length + word.length >= 120) lines.push(line === undefined ? word : indent + word)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  return lines.join('\n')
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(columns), `|${'---|'.repeat(columns.length)}`, ...rows.map(line)].join('\n')
}
