import type { Facts } from '../facts.ts'
import { type History, type Operation, shownBy } from '../history.ts'
import { type Item, type Model, search } from '../search.ts'
import type { NotDecided, Options, Violation } from './violation.ts'

/**
 * An e-mail address belongs to one living user at a time. Users of one address have lived one after the other: some
 * order of registrations, deletions, and commands that found the user alive explains it.
 */
export function* email(
  history: History,
  facts: Facts,
  { isFaulty, limit }: Options,
): Generator<Violation | NotDecided> {
  const usersOf = new Map<string, Set<number>>()
  const add = (address: string, user: number) => {
    const users = usersOf.get(address)
    if (users) users.add(user)
    else usersOf.set(address, new Set([user]))
  }
  const firstShown = new Map<number, Operation>()
  const lost = Map.groupBy(
    history.operations.filter(({ kind, outcome }) => kind === 'register' && outcome === 'unknown'),
    ({ email }) => email,
  )
  for (const operation of history.operations) {
    const { kind, isOk, user } = operation
    if ((kind === 'register' || kind === 'login') && isOk) add(operation.email, user)
    for (const shown of shownBy(history, operation)) {
      if (operation.end >= (firstShown.get(shown.user)?.end ?? Number.POSITIVE_INFINITY)) continue
      firstShown.set(shown.user, operation)
      const address = history.contents[shown.content]?.email
      if (address) add(address, shown.user)
    }
  }
  const existing = new Set(history.existing.map(({ user }) => user))
  for (const [address, users] of usersOf) {
    if (users.size < 2 || [...users].some(isFaulty)) continue
    const certain: Step[] = []
    const possible: Step[] = []
    const unanswered = lost.get(address) ?? []
    const orphans: Operation[] = []
    for (const user of users) {
      const operations = facts.operationsOf[user] ?? []
      const born = operations.find(({ kind, isOk, isReplay }) => kind === 'register' && isOk && !isReplay)
      const alive = [firstShown.get(user), ...operations].filter((one) => one?.isOk && one !== born) as Operation[]
      const seen = alive.reduce<Operation | undefined>(
        (first, one) => (first && first.end <= one.end ? first : one),
        undefined,
      )
      if (born) certain.push(stepOf('birth', user, born))
      // A registration without an answer made it, before anybody saw it.
      else if (unanswered[0] && seen && !existing.has(user)) {
        certain.push({ ...stepOf('birth', user, seen), begin: unanswered[0].begin, operation: unanswered[0] })
        orphans.push(seen)
      }
      for (const operation of operations) {
        const { kind, isOk, outcome } = operation
        if (kind === 'delete') (isOk ? certain : possible).push(stepOf('death', user, operation))
        else if (isOk && operation !== born && operation.version > 0) certain.push(stepOf('life', user, operation))
        if (kind === 'delete' && outcome === 'failed') possible.pop()
      }
    }
    const names = [...users].map((user) => history.users[user]).join(' and ')
    if (orphans.length > unanswered.length)
      yield {
        ...{ rule: 'email', user: -1 },
        what: `${names} of ${address} are more than the registrations without an answer that can have made them`,
        operations: [...unanswered, ...orphans],
      }
    const verdict = search(ownership([...users].find((user) => existing.has(user)) ?? nobody), certain, possible, limit)
    if (verdict.isFound) continue
    if (verdict.isCutOff) yield { rule: 'email', notDecided: `the owners of ${address}` }
    else {
      const shown = [...verdict.last, ...verdict.stuck.slice(0, 2)].map(({ operation }) => operation)
      yield {
        ...{ rule: 'email', user: -1 },
        what: `${address} belonged to ${names} at the same time`,
        operations: [...new Set(shown)],
      }
    }
  }
}

type Step = Item & { what: 'birth' | 'life' | 'death'; user: number }

const nobody = -1

/** The state is the owner. */
const ownership = (initial: number): Model<number, Step> => ({
  initial,
  next(owner, { what, user }) {
    if (what === 'birth') return owner === nobody ? user : undefined
    if (owner !== user) return undefined
    return what === 'death' ? nobody : owner
  },
  keyOf: String,
  effectOf: ({ what, user }) => `${what} ${user}`,
})

const stepOf = (what: Step['what'], user: number, operation: Operation): Step => ({
  ...{ what, user, operation, begin: operation.begin, end: operation.end },
})
