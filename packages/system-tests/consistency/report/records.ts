import { appendFile, readFile } from 'node:fs/promises'
import type { Kind, Outcome } from '@cqrs/checker'
import type { Fault, HistoryRecord, LongestWithout } from '../record.ts'
import type { Sample } from '../recorder.ts'

export type Group = 'command' | 'sign-in' | 'query' | 'observer'

/** `command`: what can make a version of a user. `observer`: the recorder's own look at the write database. */
export const groupOf: Record<Kind, Group> = {
  register: 'command',
  change: 'command',
  password: 'command',
  activate: 'command',
  deactivate: 'command',
  delete: 'command',
  'logout-all': 'command',
  login: 'sign-in',
  refresh: 'sign-in',
  logout: 'sign-in',
  get: 'query',
  list: 'query',
  search: 'query',
  'by-role': 'query',
  directory: 'query',
  stats: 'query',
  state: 'observer',
}

export const outcomes = ['ok', 'failed', 'unknown'] as const satisfies Outcome[]

/** What is known of a history when it is judged. */
export type Run = Omit<HistoryRecord, 'operations' | 'faults' | 'longestWithoutMs'> & {
  samples: readonly Sample[]
  faults: readonly Fault[]
}

/** Counts the operations of a history, and the longest times without progress while clients sent requests. */
export function recordOf({ samples, faults, ...run }: Run): HistoryRecord {
  const operations: HistoryRecord['operations'] = {}
  for (const { kind, outcome } of samples) {
    operations[kind] ??= {}
    operations[kind][outcome] = (operations[kind][outcome] ?? 0) + 1
  }
  const end = endOfLoad(run.seconds, faults)
  const succeeded = { command: timesOf('command', samples), query: timesOf('query', samples) }
  const longest = (from: number, to: number): LongestWithout => ({
    command: longestGap(succeeded.command, { from, to, end }),
    query: longestGap(succeeded.query, { from, to, end }),
  })
  return {
    ...{ seed: run.seed, date: run.date, commit: run.commit, versions: run.versions, topology: run.topology },
    seconds: run.seconds,
    operations,
    faults: faults.map((fault) => ({
      ...fault,
      from: Math.round(fault.from),
      to: Math.round(fault.to),
      longestWithoutMs: longest(fault.from, fault.to),
    })),
    ...{ notRun: run.notRun, violations: run.violations, notDecided: run.notDecided },
    longestWithoutMs: longest(0, end),
  }
}

/** Clients send requests until all faults are over, in milliseconds since the beginning. */
export const endOfLoad = (seconds: number, faults: readonly Pick<Fault, 'to'>[]): number =>
  Math.max(seconds * 1_000, ...faults.map(({ to }) => to))

const timesOf = (group: Group, samples: readonly Sample[]): number[] =>
  samples
    .filter(({ kind, outcome }) => groupOf[kind] === group && outcome === 'ok')
    .map(({ end }) => end)
    .sort((one, other) => one - other)

/** The longest time between two of `times`, of which some is between `from` and `to`. */
function longestGap(times: readonly number[], { from, to, end }: { from: number; to: number; end: number }): number {
  let longest = 0
  let last = 0
  for (const time of [...times.filter((time) => time < end), end]) {
    if (time > from && last < to) longest = Math.max(longest, time - last)
    last = time
  }
  return Math.round(longest)
}

/**
 * Reads the records of all histories, one a line. Without the file there are none.
 * @throws Error that names the first line that is not a record, or is there twice, and why
 */
export async function readRecords(file: string): Promise<HistoryRecord[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  if (text === '') return []
  const seen = new Set<string>()
  const lines = text.replace(/\n$/, '').split('\n')
  return lines.map((line, i) => {
    const { record, problem } = parse(line)
    if (!record) throw new Error(`${file}, line ${i + 1}: ${problem}`)
    const name = `${record.date} ${record.seed}`
    if (seen.has(name)) throw new Error(`${file}, line ${i + 1}: this history is there twice`)
    seen.add(name)
    return record
  })
}

/** @throws Error if it is not a record */
export async function appendRecord(file: string, record: HistoryRecord): Promise<void> {
  const line = JSON.stringify(record)
  const { problem } = parse(line)
  if (problem) throw new Error(`not a record: ${problem}`)
  await appendFile(file, `${line}\n`)
}

type Parsed = { record: HistoryRecord; problem?: undefined } | { record?: undefined; problem: string }

function parse(line: string): Parsed {
  let record: unknown
  try {
    record = JSON.parse(line)
  } catch {
    return { problem: 'not JSON' }
  }
  const problem = problemIn(fields, record)
  return problem ? { problem } : { record: record as HistoryRecord }
}

type Test = (value: unknown) => boolean
type Tests<Type> = { [Field in keyof Type]-?: Test }

/** The first field that is missing, unknown or wrong, in words. */
function problemIn<Type>(tests: Tests<Type>, value: unknown): string | undefined {
  if (!isObject(value)) return 'not an object'
  const unknown = Object.keys(value).find((field) => !Object.hasOwn(tests, field))
  if (unknown !== undefined) return `${unknown} is unknown`
  const wrong = Object.entries<Test>(tests).find(([field, test]) => !test(value[field]))
  return wrong && `${wrong[0]} is ${value[wrong[0]] === undefined ? 'missing' : 'not valid'}`
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isText: Test = (value) => typeof value === 'string' && value !== ''
const isCount: Test = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isTexts: Test = (value) => Array.isArray(value) && value.every(isText)
const has =
  <Type>(tests: Tests<Type>): Test =>
  (value) =>
    problemIn(tests, value) === undefined

const isLongest = has<LongestWithout>({ command: isCount, query: isCount })
const isFault = has<HistoryRecord['faults'][number]>({
  nemesis: isText,
  what: isText,
  from: isCount,
  to: isCount,
  effect: (value) => typeof value === 'string',
  longestWithoutMs: isLongest,
})
const isCounts: Test = (value) =>
  isObject(value) &&
  Object.entries(value).every(([outcome, count]) => outcomes.some((o) => o === outcome) && isCount(count))

const fields: Tests<HistoryRecord> = {
  seed: isCount,
  date: (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT.*Z$/.test(value) && !Number.isNaN(Date.parse(value)),
  commit: isText,
  versions: has<HistoryRecord['versions']>({ mongodb: isText, nats: isText, node: isText, machine: isText }),
  topology: (value) => value === 'one machine' || value === 'hosts of their own',
  seconds: (value) => typeof value === 'number' && value > 0,
  operations: (value) =>
    isObject(value) &&
    Object.entries(value).every(([kind, counts]) => Object.hasOwn(groupOf, kind) && isCounts(counts)),
  faults: (value) => Array.isArray(value) && value.every(isFault),
  notRun: isTexts,
  violations: isTexts,
  notDecided: isCount,
  longestWithoutMs: isLongest,
}
