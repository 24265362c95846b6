import { alwaysMakes, type Facts, findsNobody, mayBeDeleted } from '../facts.ts'
import type { History, Operation } from '../history.ts'
import type { Violation } from './violation.ts'

/**
 * Commands, logins and refreshes of a user never go back: what began after another had ended answers the same version
 * or a later one, and each change makes a version of its own. What follows a deletion is judged by `deleted`.
 */
export function* order(history: History, facts: Facts): Generator<Violation> {
  for (const [user, all] of facts.operationsOf.entries()) {
    const name = history.users[user]
    for (const operation of all) {
      // A user that any answer has shown is there until it is deleted.
      if (!findsNobody(operation) || mayBeDeleted(facts, user, operation.end)) continue
      const before = facts.versionsOf[user]?.entries().find(([, { by }]) => by < operation.begin)
      if (!before) continue
      const [version, { byOperation }] = before
      yield {
        ...{ rule: 'order', user },
        what: `${name} was at version ${version}, and is not there when ${nameOf(operation)} looks`,
        operations: [byOperation, operation],
      }
    }
    const answered = all.filter(({ isOk, isReplay, version }) => isOk && !isReplay && version > 0)
    const ended = answered.filter(({ kind }) => kind !== 'delete').sort((a, b) => a.end - b.end)
    const makers = new Map<number, Operation>()
    let next = 0
    let latest: Operation | undefined
    for (const operation of answered) {
      for (let before = ended[next]; before && before.end < operation.begin; before = ended[++next])
        if (before.version >= (latest?.version ?? 0)) latest = before
      if (latest && operation.version < latest.version)
        yield {
          ...{ rule: 'order', user },
          what:
            `${name} was at version ${latest.version} before ${nameOf(operation)} began, ` +
            `which answered version ${operation.version}`,
          operations: [latest, operation],
        }
      if (!alwaysMakes(operation)) continue
      const other = makers.get(operation.version)
      makers.set(operation.version, operation)
      const twice = other ?? (latest?.version === operation.version ? latest : undefined)
      if (twice)
        yield {
          ...{ rule: 'order', user },
          what: `${nameOf(operation)} made version ${operation.version} of ${name}, which was there already`,
          operations: [twice, operation],
        }
    }
  }
}

const nameOf = ({ kind, id }: Operation): string => `the ${kind} ${id}`
