import { type Facts, mayBeDeleted, tellsDeletion } from '../facts.ts'
import { type History, type Operation, shownBy } from '../history.ts'
import { gone, Knowledge, type Known } from '../knowledge.ts'
import type { Violation } from './violation.ts'

/**
 * A query shows nothing older than what the tokens that it sent stand for: what commands answered
 * (`read-your-writes`), what queries over the same read model showed (`monotonic-reads`), and who is deleted
 * (`deleted`). Nothing is asked of queries that sent no token.
 */
export function* fresh(history: History, facts: Facts): Generator<Violation> {
  const byToken = new Map<string, Knowledge>()
  const judged = history.operations.filter(({ token, sent, minVersion }) => token || sent.length > 0 || minVersion > 0)
  // A token is sent after it was received, and an answer's token stands for what its request sent.
  for (const operation of judged.sort((a, b) => a.end - b.end || a.endLine - b.endLine)) {
    if (operation.outcome === 'unknown') continue
    let known = nothing
    for (const token of operation.sent) known = joined(known, byToken.get(token))
    if (operation.isQuery) {
      if (!operation.isOk) continue
      const model = operation.kind === 'directory' ? directory : list
      if (operation.sent.length > 0 || operation.minVersion > 0) yield* judge(history, facts, operation, known, model)
      if (operation.token) known = known.with(learned(history, facts, operation, known, model))
    } else if (operation.user >= 0 && operation.version > 0)
      known = known.with([[keyOf(operation.user, commands), { version: operation.version, operation }]])
    if (operation.token) byToken.set(operation.token, joined(known, byToken.get(operation.token)))
  }
}

/** What is known by commands holds for every read model, what is known by a query for the read model that it read. */
const nothing = Knowledge.nothing()
const commands = 0
const list = 1
const directory = 2
const keyOf = (user: number, source: number): number => user * 3 + source

function joined(one: Knowledge, other: Knowledge | undefined): Knowledge {
  if (!other || one === other) return one
  return one.size < other.size ? other.with(one.all()) : one.with(other.all())
}

function* judge(
  history: History,
  facts: Facts,
  query: Operation,
  known: Knowledge,
  model: number,
): Generator<Violation> {
  const asked = query.minVersion > 0 ? { version: query.minVersion, operation: query } : undefined
  const least = (user: number) =>
    latest(
      latest(known.get(keyOf(user, commands)), known.get(keyOf(user, model))),
      user === query.user ? asked : undefined,
    )
  const found = new Set<number>()
  for (const { user, version } of shownBy(history, query)) {
    found.add(user)
    const before = least(user)
    if (before && version < before.version) yield violation(history, facts, query, user, before, `version ${version}`)
  }
  for (const user of expectedBy(query, known, model)) {
    if (found.has(user) || mayBeDeleted(facts, user, query.end)) continue
    const before = least(user)
    if (!before || (query.role && mayLackRole(history, facts, query, user, before))) continue
    yield violation(history, facts, query, user, before, 'nothing')
  }
}

/** The users that it shows if they exist (and have the role), as far as its caller knows them. */
function expectedBy(query: Operation, known: Knowledge, model: number): Iterable<number> {
  if (query.kind === 'get') return [query.user]
  return query.isComplete ? usersOf(known, model) : []
}

/** What a query adds to what its caller knows. Whoever was known and is not there is deleted. */
function* learned(
  history: History,
  facts: Facts,
  query: Operation,
  known: Knowledge,
  model: number,
): Generator<[number, Known]> {
  const found = new Set<number>()
  for (const { user, version } of shownBy(history, query)) {
    found.add(user)
    yield [keyOf(user, model), { version, operation: query }]
  }
  if (query.role) return
  for (const user of expectedBy(query, known, model)) {
    if (found.has(user) || !mayBeDeleted(facts, user, query.end)) continue
    const wasKnown = known.get(keyOf(user, commands)) ?? known.get(keyOf(user, model))
    if (wasKnown) yield [keyOf(user, model), { version: gone, operation: query }]
  }
}

function usersOf(known: Knowledge, model: number): Set<number> {
  const users = new Set<number>()
  for (const [key] of known.all()) if (key % 3 === commands || key % 3 === model) users.add(Math.floor(key / 3))
  return users
}

/** Whether the user, from a version on, can have been without the role before the query ended. */
function mayLackRole({ contents }: History, facts: Facts, query: Operation, user: number, from: Known): boolean {
  const has = (roles: string) => roles.split(' ').includes(query.role)
  const content = contents[facts.versionsOf[user]?.get(from.version)?.content ?? 0]
  if (!content?.roles || !has(content.roles)) return true
  return (facts.operationsOf[user] ?? []).some(
    ({ kind, begin, outcome, version, roles }) =>
      kind === 'change' &&
      begin < query.end &&
      outcome !== 'failed' &&
      !(version > 0 && version < from.version) &&
      !has(roles),
  )
}

const latest = (one: Known | undefined, other: Known | undefined): Known | undefined =>
  !one || (other && other.version > one.version) ? other : one

function violation(
  { users }: History,
  { deletedBy }: Facts,
  query: Operation,
  user: number,
  { version, operation: source }: Known,
  shown: string,
): Violation {
  const isDeleted = version === gone || tellsDeletion(source)
  const rule = isDeleted ? 'deleted' : source.isQuery && source !== query ? 'monotonic-reads' : 'read-your-writes'
  const by = source === query ? '`X-Min-Version`' : `the token of the ${source.kind} ${source.id}`
  const deletion = version === gone ? deletedBy.get(user) : undefined
  return {
    ...{ rule, user },
    what:
      `the ${query.kind} ${query.id} sent ${by}, so it knew ` +
      `${isDeleted ? `that ${users[user]} is deleted` : `version ${version} of ${users[user]}`}, and was shown ${shown}`,
    operations: [...new Set([...(deletion ? [deletion] : []), source, query])],
  }
}
