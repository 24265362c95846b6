import type { Report } from './check.ts'
import { beforeAll, type Content, type History, type Operation, type Outcome, shownBy } from './history.ts'

/** The verdict in words: operations by kind and outcome, violations with the operations that show them, not decided. */
export function* wordsOf(history: History, { violations, notDecided }: Report, most = 20): Generator<string> {
  yield* countsOf(history)
  const rules = Object.entries(Object.groupBy(violations, ({ rule }) => rule))
  for (const [rule, found = []] of rules) {
    for (const { what, operations } of found.slice(0, most)) {
      yield `\n${rule}: ${what}`
      for (const operation of operations) if (operation !== beforeAll) yield `  ${describe(history, operation)}`
    }
    if (found.length > most) yield `\n${rule}: ${found.length - most} more`
  }
  for (const { rule, notDecided: what } of notDecided) yield `\nnot decided (${rule}): ${what}`
  yield `\n${violations.length} violations, ${notDecided.length} not decided`
}

function* countsOf({ operations, bounds }: History): Generator<string> {
  const counts = new Map<string, Record<Outcome, number>>()
  for (const { kind, outcome } of operations) {
    const count = counts.get(kind) ?? { ok: 0, failed: 0, unknown: 0 }
    count[outcome]++
    counts.set(kind, count)
  }
  const row = (cells: (string | number)[]) =>
    cells.map((cell, i) => (i === 0 ? `${cell}`.padEnd(12) : `${cell}`.padStart(9))).join('')
  yield row(['operation', 'ok', 'failed', 'unknown'])
  for (const [kind, { ok, failed, unknown }] of counts) yield row([kind, ok, failed, unknown])
  yield `${operations.length} operations; bounds ${JSON.stringify(bounds)} µs`
}

/** An operation on one line, with the lines of the history that it is made of. */
export function describe(history: History, operation: Operation): string {
  const { line, endLine, client, kind, begin, end, outcome, status, version, isReplay } = operation
  const { ifMatch, minVersion, key, sent, email, name, roles, role } = operation
  const user = operation.user >= 0 && kind !== 'register' && kind !== 'login' ? ` ${history.users[operation.user]}` : ''
  const asked = [email, name, roles, role].filter(Boolean).join(', ')
  const headers = [
    ...(ifMatch >= 0 ? [`If-Match ${ifMatch}`] : []),
    ...(minVersion >= 0 ? [`X-Min-Version ${minVersion}`] : []),
    ...(key ? [`key ${key}`] : []),
    ...(sent.length > 0 ? [`token ${sent.join(' ')}`] : []),
  ]
  const all = [...shownBy(history, operation)]
  const shown = all.slice(0, 5).map((one) => {
    const { name, roles, isActive } = history.contents[one.content] as Content
    const content = one.content === 0 ? '' : ` (${name}, ${roles}${isActive ? '' : ', inactive'})`
    return `${history.users[one.user]} at version ${one.version}${content}`
  })
  if (all.length > shown.length) shown.push(`${all.length - shown.length} more`)
  const isGone = outcome === 'ok' && (kind === 'get' || kind === 'state') && shown.length === 0
  const told = [
    ...(shown.length > 0 ? [shown.join(', ')] : version > 0 ? [`version ${version}`] : []),
    ...(isGone ? ['no such user'] : []),
    ...(isReplay ? ['replayed'] : []),
  ]
  return [
    `${endLine > 0 ? `lines ${line} and ${endLine}` : `line ${line}`}, client ${client}:`,
    `${kind}${user}${asked ? ` (${asked})` : ''}${headers.length > 0 ? `, ${headers.join(', ')}` : ''}`,
    `at ${seconds(begin)}${Number.isFinite(end) ? ` to ${seconds(end)}` : ''}:`,
    `${outcome}${status > 0 ? ` ${status}` : ''}${told.length > 0 ? `, ${told.join(', ')}` : ''}`,
  ].join(' ')
}

const seconds = (microseconds: number): string => `${(microseconds / 1e6).toFixed(6)} s`
