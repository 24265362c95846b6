import { type Facts, findsNobody, mayBeDeleted } from '../facts.ts'
import type { History } from '../history.ts'
import type { Violation } from './violation.ts'

/** A user gets one welcome mail: never two, none only if it was deleted or the recorder says why. A mail has a user. */
export function* mail(history: History, facts: Facts): Generator<Violation> {
  const { users, mails, mailsExcused, hasAllMails, operations } = history
  const received = new Map<number, number>()
  const firstAt = new Map<number, number>()
  for (const { user, at, line } of mails) {
    const before = received.get(user)
    received.set(user, line)
    if (before === undefined) firstAt.set(user, at)
    if (before !== undefined)
      yield {
        ...{ rule: 'mail', user },
        what: `${users[user]} got a second welcome mail (lines ${before} and ${line})`,
        operations: operations.filter((operation) => operation.kind === 'register' && operation.user === user),
      }
  }
  for (const operation of operations) {
    const { user, begin, end } = operation
    if (!findsNobody(operation) || (firstAt.get(user) ?? begin) >= begin || mayBeDeleted(facts, user, end)) continue
    // If an answer has shown the user, it is `order` that tells.
    if (facts.versionsOf[user]?.size === 0)
      yield {
        ...{ rule: 'mail', user },
        what: `${users[user]} got a welcome mail, and is not there`,
        operations: [operation],
      }
  }
  if (!hasAllMails) return
  for (const operation of operations) {
    const { kind, isOk, user } = operation
    if (kind !== 'register' || !isOk || received.has(user) || mailsExcused.has(user)) continue
    if (mayBeDeleted(facts, user, Number.POSITIVE_INFINITY)) continue
    received.set(user, operation.line)
    yield { ...{ rule: 'mail', user }, what: `${users[user]} got no welcome mail`, operations: [operation] }
  }
}
