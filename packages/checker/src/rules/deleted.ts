import { type Facts, tellsDeletion } from '../facts.ts'
import { type History, shownBy } from '../history.ts'
import type { Violation } from './violation.ts'

/**
 * Deleted stays deleted: all are told one version of the deletion, no command succeeds on the user, no version follows,
 * a query that began later than the bound does not show it, and nothing of it is found in a store. What tokens say is
 * judged by `fresh`.
 */
export function* deleted(history: History, { operationsOf, deletedBy }: Facts): Generator<Violation> {
  const { users, bounds } = history
  for (const [user, deletion] of deletedBy) {
    for (const operation of operationsOf[user] ?? []) {
      if (tellsDeletion(operation) && operation.version !== deletion.version) {
        yield {
          ...{ rule: 'deleted', user },
          what:
            `the ${operation.kind} ${operation.id} tells that ${users[user]} is deleted ` +
            `at version ${operation.version}, the ${deletion.kind} ${deletion.id} at version ${deletion.version}`,
          operations: [deletion, operation],
        }
        continue
      }
      if (operation === deletion || !operation.isOk || operation.version < 0) continue
      const isBefore = operation.version < deletion.version
      // Another one with the version of the tombstone is the deletion itself, of which others were told already.
      const isItself = operation.kind === 'delete' && operation.version === deletion.version
      if (operation.begin <= deletion.end && (isBefore || isItself)) continue
      yield {
        ...{ rule: 'deleted', user },
        what: `the ${operation.kind} ${operation.id} succeeded on ${users[user]} after its deletion`,
        operations: [deletion, operation],
      }
    }
  }
  for (const operation of history.operations) {
    for (const { user, version } of shownBy(history, operation)) {
      const deletion = deletedBy.get(user)
      if (!deletion || (operation.isCommand && operation.user === user)) continue
      const bound = operation.isQuery ? bounds.deleted : 0
      if (version < deletion.version && operation.begin <= deletion.end + bound) continue
      yield {
        ...{ rule: 'deleted', user },
        what: `the ${operation.kind} ${operation.id} shows ${users[user]}, which is deleted`,
        operations: [deletion, operation],
      }
    }
  }
  for (const { user, at, where, line } of history.traces) {
    const deletion = deletedBy.get(user)
    if (!deletion || at <= deletion.end + bounds.erased) continue
    yield {
      ...{ rule: 'deleted', user },
      what: `content of ${users[user]}, which is deleted, was found in ${where} (line ${line})`,
      operations: [deletion],
    }
  }
}
