import { type Facts, mayBeDeleted, tellsDeletion } from '../facts.ts'
import { type Content, type History, type Operation, shownBy } from '../history.ts'
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
    const { outcome, isQuery, user, version, token } = operation
    if (outcome === 'unknown' || (isQuery && outcome === 'failed')) continue
    let known = nothing
    for (const sent of operation.sent) known = joined(known, byToken.get(sent))
    if (isQuery) {
      const model = operation.kind === 'directory' ? directory : list
      const look = { history, facts, query: operation, known, model }
      if (operation.sent.length > 0 || operation.minVersion > 0) yield* judge(look)
      if (token) known = known.with(learned(look))
    } else if (user >= 0 && version > 0) known = known.with([[keyOf(user, commands), { version, operation }]])
    if (token) byToken.set(token, joined(known, byToken.get(token)))
  }
}

/** A query, what its caller knew, and the read model that it read. */
type Look = { history: History; facts: Facts; query: Operation; known: Knowledge; model: number }

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

function* judge(look: Look): Generator<Violation> {
  const { history, facts, query, known, model } = look
  const asked = query.minVersion > 0 ? { version: query.minVersion, operation: query } : undefined
  const least = (user: number) => {
    const told = latest(known.get(keyOf(user, commands)), known.get(keyOf(user, model)))
    return user === query.user ? latest(told, asked) : told
  }
  const found = new Set<number>()
  for (const { user, version } of shownBy(history, query)) {
    found.add(user)
    const before = least(user)
    if (before && version < before.version) yield violation(look, user, before, `version ${version}`)
  }
  for (const user of expectedBy(look)) {
    if (found.has(user) || mayBeDeleted(facts, user, query.end)) continue
    const before = least(user)
    if (before && !mayLackRole(look, user, before)) yield violation(look, user, before, 'nothing')
  }
}

/** The users that it shows if they exist (and have the role), as far as its caller knows them. */
function expectedBy({ query, known, model }: Look): Iterable<number> {
  if (query.kind === 'get') return [query.user]
  return query.isComplete ? usersOf(known, model) : []
}

/** What a query adds to what its caller knows. Whoever was known and is not there is deleted. */
function* learned(look: Look): Generator<[number, Known]> {
  const { history, facts, query, known, model } = look
  const found = new Set<number>()
  for (const { user, version } of shownBy(history, query)) {
    found.add(user)
    yield [keyOf(user, model), { version, operation: query }]
  }
  if (query.role) return
  for (const user of expectedBy(look)) {
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

/** Whether the user, from a version on, can have been without the role that is listed before the query ended. */
function mayLackRole({ history, facts, query }: Look, user: number, from: Known): boolean {
  if (!query.role) return false
  const lacks = (roles: string) => !roles.split(' ').includes(query.role)
  const seen = facts.versionsOf[user]?.get(from.version)
  const { roles } = history.contents[seen?.content ?? 0] as Content
  if (lacks(roles) || seen?.isDisputed) return true
  const changes = (facts.operationsOf[user] ?? []).filter(({ kind, begin }) => kind === 'change' && begin < query.end)
  return changes.some(
    ({ outcome, version, roles }) => outcome !== 'failed' && lacks(roles) && (version < 0 || version >= from.version),
  )
}

const latest = (one: Known | undefined, other: Known | undefined): Known | undefined =>
  !one || (other && other.version > one.version) ? other : one

function violation({ history, facts, query }: Look, user: number, known: Known, shown: string): Violation {
  const { version, operation: source } = known
  const name = history.users[user]
  const isDeleted = version === gone || tellsDeletion(source)
  const rule = isDeleted ? 'deleted' : source.isQuery && source !== query ? 'monotonic-reads' : 'read-your-writes'
  const by = source === query ? '`X-Min-Version`' : `the token of the ${source.kind} ${source.id}`
  const what = isDeleted ? `that ${name} is deleted` : `version ${version} of ${name}`
  const deletion = version === gone ? facts.deletedBy.get(user) : undefined
  return {
    ...{ rule, user },
    what: `the ${query.kind} ${query.id} sent ${by}, so it knew ${what}, and was shown ${shown}`,
    operations: [...new Set([...(deletion ? [deletion] : []), source, query])],
  }
}
