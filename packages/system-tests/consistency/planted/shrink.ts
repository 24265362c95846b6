import { check, Malformed, readHistory, type Violation } from '@cqrs/checker'

/** A line of a history, as packages/checker/README.md describes it. */
type Line = { event: string; at?: number | undefined; op?: number; [field: string]: unknown }

/** A user on an answer. */
type Shown = { id: string; version: number; [field: string]: unknown }

/**
 * Makes a history as small as it can be while it still shows one of its violations of a rule, and none of another rule:
 * drops operations, then users that are shown, then fields (delta debugging), and gives everything a short name.
 * @param note for the first line
 * @throws Error if no violation of the rule stands alone
 */
export async function shrink(text: string, rule: string, note: string): Promise<string> {
  const lines: Line[] = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
  const violations = await violationsOf(lines)
  const ofRule = violations.filter((violation) => violation.rule === rule)
  ofRule.sort((one, other) => one.operations.length - other.operations.length)
  const attempts = [sameWords, sameOperation].flatMap((same) => ofRule.slice(0, 5).map((target) => ({ target, same })))
  for (const { target, same } of attempts) {
    const small = await smallestWith(target, same, lines, violations)
    const left = await violationsOf(small)
    if (left.length === 0 || left.some((violation) => violation.rule !== rule)) continue
    const named = withShortNames(small)
    const evenly = named.map((line, i) => (line.at === undefined || i === 0 ? line : { ...line, at: i * 1_000 }))
    const shown = (await violationsOf(evenly)).map((violation) => violation.rule)
    const best = shown.length > 0 && shown.every((one) => one === rule) ? evenly : named
    const [{ event, at: _, ...others } = { event: 'start' }, ...rest] = best
    return [{ event, note, ...others }, ...rest].map((line) => `${spaced(line)}\n`).join('')
  }
  throw new Error(`no violation of ${rule} is left alone`)
}

async function smallestWith(
  target: Violation,
  same: (violation: Violation) => string,
  lines: Line[],
  violations: Violation[],
): Promise<Line[]> {
  const othersIn = (found: Violation[]) => found.filter(({ rule }) => rule !== target.rule).length
  let others = othersIn(violations)
  /** Whether these still show the target, and not more of other rules than before. */
  const showIt = async (candidate: Line[]) => {
    const found = await violationsOf(candidate)
    if (!found.some((one) => same(one) === same(target))) return false
    if (othersIn(found) > others) return false
    others = othersIn(found)
    return true
  }
  const users = await usersOf(target, lines)
  const about = aboutUsers(lines, users, target)
  const last = about.findLastIndex(({ op }) => op === target.operations.at(-1)?.id)
  let small = await firstOf([about.slice(0, last + 1), about], showIt, lines)
  for (const user of users) small = await firstOf(laterBeginnings(small, user), showIt, small)
  const [first, ...rest] = small as [Line, ...Line[]]
  const parts = Object.values(Object.groupBy(rest, ({ op }, i) => `${op ?? `line ${i}`}`)) as Line[][]
  const inOrder = (parts: Line[][]) => [first, ...rest.filter(isIn(parts.flat()))]
  small = inOrder(await smallest(parts, (parts) => showIt(inOrder(parts))))
  // Without its bounds, a history of these rules would say something else.
  for (let i = target.rule === 'revoked' || target.rule === 'deleted' ? 1 : 0; i < small.length; i++) {
    const line = small[i] as Line
    const at = (line: Line) => small.with(i, line)
    small = at(await withFewerFields(line, (line) => showIt(at(line))))
  }
  return small
}

/** The first candidate that passes, otherwise `none`. */
async function firstOf(candidates: Iterable<Line[]>, pass: (lines: Line[]) => Promise<boolean>, none: Line[]) {
  for (const candidate of candidates) if (await pass(candidate)) return candidate
  return none
}

const shownOn = ({ shown }: Line): Shown[] => (shown as Shown[] | undefined) ?? []

/** The users that a violation is about. */
async function usersOf({ user, operations }: Violation, lines: Line[]): Promise<Set<string>> {
  const { users } = await readHistory([textOf(lines)])
  const all = [user, ...operations.map(({ user }) => user)].map((number) => users[number])
  return new Set(all.filter((name) => name !== undefined))
}

/** Only what says something of these users, or registers one of their addresses. */
function aboutUsers(lines: Line[], users: Set<string>, target: Violation): Line[] {
  const isOne = (name: unknown) => users.has(name as string)
  const emails = new Set(lines.flatMap(shownOn).flatMap(({ id, email }) => (isOne(id) ? email : [])))
  const ofOthers = new Set(lines.filter((line) => line['user'] && !isOne(line['user'])).map(({ op }) => op))
  for (const line of lines)
    if (shownOn(line).length > 0 && !shownOn(line).some(({ id }) => isOne(id))) ofOthers.add(line.op)
  const about = (line: Line) =>
    isOne(line['user']) || isOne(line['id']) || emails.has(line['email']) || shownOn(line).some(({ id }) => isOne(id))
  const operations = new Set(lines.filter(about).flatMap(({ op = 0 }) => (ofOthers.has(op) ? [] : op)))
  for (const { id } of target.operations) operations.add(id)
  const tokensFor = tokensOf(lines, operations)
  const isKept = (line: Line) =>
    ['start', 'end'].includes(line.event) || (line.op === undefined ? about(line) : operations.has(line.op))
  return lines.filter(isKept).map((line) => ({
    ...line,
    ...(line['shown'] ? { shown: shownOn(line).filter(({ id }) => isOne(id)) } : {}),
    ...(line['sent'] ? { sent: tokensFor(line) } : {}),
  }))
}

/** The tokens of these operations that a request sends, directly or through the tokens of queries in between. */
function tokensOf(lines: Line[], operations: Set<number>): (line: Line) => string[] {
  const sentBy = new Map(lines.flatMap(({ event, op, sent }) => (event === 'invoke' ? [[op, sent as string[]]] : [])))
  const answersWith = Map.groupBy(lines, ({ token }) => token)
  return ({ sent }) => {
    const tokens = new Set(sent as string[])
    for (const token of tokens)
      for (const { op } of answersWith.get(token) ?? []) for (const earlier of sentBy.get(op) ?? []) tokens.add(earlier)
    return [...tokens].filter((token) => answersWith.get(token)?.some(({ op = 0 }) => operations.has(op)))
  }
}

/** Without the commands that made a user what it was at some version, from the latest on: it existed before. */
function* laterBeginnings(lines: Line[], user: string): Generator<Line[]> {
  const [start, ...rest] = lines as [Line, ...Line[]]
  const seen = rest.flatMap(shownOn).filter(({ id, email }) => id === user && email)
  const versions = new Map(seen.map((shown) => [shown.version, shown]))
  for (const [version, shown] of [...versions].sort(([one], [other]) => other - one)) {
    const isEarlier = (line: Line) =>
      (line.event === 'existing' && line['id'] === user) ||
      shownOn(line).some((one) => one.id === user && one.version <= version)
    const earlier = new Set(rest.filter(isEarlier).map((line) => line.op ?? line))
    yield [start, { event: 'existing', ...shown }, ...rest.filter((line) => !earlier.has(line.op ?? line))]
  }
}

const isIn = (lines: Line[]) => {
  const all = new Set(lines)
  return (line: Line) => all.has(line)
}

/** What stays of a violation. Numbers of lines change when lines are dropped. */
const sameWords = ({ rule, what, operations }: Violation): string =>
  [rule, what.replaceAll(/lines? \d+( and \d+)?/g, ''), ...operations.map(({ id }) => id)].join(' ')

/** Less: what a query knew can often be told by several operations. */
const sameOperation = ({ rule, operations }: Violation): string => `${rule} ${operations.at(-1)?.id}`

/** Drops as many items as possible, in ever smaller pieces, for as long as those that are left pass. */
async function smallest<Item>(items: Item[], pass: (items: Item[]) => Promise<boolean>): Promise<Item[]> {
  let left = items
  for (let size = Math.ceil(left.length / 2), before = 0; size > 0; ) {
    before = left.length
    for (let from = 0; from < left.length; ) {
      const fewer = left.toSpliced(from, size)
      if (await pass(fewer)) left = fewer
      else from += size
    }
    if (size > 1) size = Math.ceil(size / 2)
    else if (left.length === before) size = 0
  }
  return left
}

async function withFewerFields(line: Line, pass: (line: Line) => Promise<boolean>): Promise<Line> {
  let left = line
  for (const field of Object.keys(line)) {
    const { [field]: value, ...without } = left
    if (await pass(without as Line)) left = without as Line
    else if (Array.isArray(value) && field !== 'roles') {
      const of = (items: unknown[]) => ({ ...left, [field]: items })
      let items = await smallest(value, (items) => pass(of(items)))
      for (const [i, item] of items.entries())
        for (const shorter of shorterThan(item))
          if (await pass(of(items.with(i, shorter)))) {
            items = items.with(i, shorter)
            break
          }
      left = of(items)
    }
  }
  return left
}

/** What a user that is shown can be reduced to, the shortest first. */
function shorterThan(item: unknown): unknown[] {
  if (typeof item !== 'object' || item === null) return []
  const { id, version, more: _, ...others } = item as Shown
  return [
    { id, version },
    { id, version, ...others },
  ]
}

/** Violations of a history. One that is malformed has none. */
async function violationsOf(lines: Line[]): Promise<Violation[]> {
  try {
    return check(await readHistory([textOf(lines)])).violations
  } catch (error) {
    if (error instanceof Malformed) return []
    throw error
  }
}

const textOf = (lines: Line[]): string =>
  withKnownTokens(lines)
    .map((line) => JSON.stringify(line))
    .join('\n')

/** Sends no token that no line before has, and repeats no operation that is not there. */
function withKnownTokens(lines: Line[]): Line[] {
  const tokens = new Set<unknown>()
  const operations = new Set<unknown>()
  return lines.map((line) => {
    const { sent, retryOf, ...others } = line
    const known = Array.isArray(sent) ? sent.filter((token) => tokens.has(token)) : []
    tokens.add(line['token'])
    operations.add(line.op)
    return {
      ...others,
      ...(known.length > 0 && { sent: known }),
      ...(operations.has(retryOf) && retryOf ? { retryOf } : {}),
    }
  })
}

/** One letter a kind of name. The same name stays the same. */
function withShortNames(lines: Line[]): Line[] {
  const short = new Map<string, string>()
  const counts = new Map<string, number>()
  const nameOf = (kind: string, long: unknown): string => {
    const key = `${kind} ${long}`
    if (!short.has(key)) {
      const count = (counts.get(kind) ?? 0) + 1
      counts.set(kind, count)
      short.set(key, kind === 'email' ? `e${count}@x` : `${letters[kind] ?? kind}${count}`)
    }
    return short.get(key) as string
  }
  const renamed = (fields: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(fields).map(([field, value]) => {
        if (field === 'id' || field === 'user') return [field, nameOf('user', value)]
        if (field === 'retryOf' || field === 'op') return [field, Number(nameOf('op', value))]
        if (field === 'sent') return [field, (value as string[]).map((token) => nameOf('token', token))]
        if (field === 'shown') return [field, (value as Shown[]).map(renamed)]
        return [field, field in letters ? nameOf(field, value) : value]
      }),
    )
  return withKnownTokens(lines).map((line) => renamed(line) as Line)
}

/** Fields whose values are names, with how a short one begins. */
const letters: Record<string, string> = {
  ...{ user: 'u', token: 't', access: 'a', refresh: 'r', key: 'k', password: 'p', more: 'm', op: '' },
  ...{ client: 'c', name: 'N', email: 'e' },
}

/** JSON with spaces, as the other histories are written. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).map(([name, of]) => `${JSON.stringify(name)}: ${spaced(of)}`)
  return `{${fields.join(', ')}}`
}
