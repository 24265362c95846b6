import { type Facts, mayBeDeleted } from '../facts.ts'
import type { History } from '../history.ts'
import type { Violation } from './violation.ts'

/** A user gets one welcome mail: never two, and none only if it was deleted or the recorder says why. */
export function* mail(history: History, facts: Facts): Generator<Violation> {
  const { users, mails, mailsExcused, hasAllMails, operations } = history
  const received = new Map<number, number>()
  for (const { user, line } of mails) {
    const before = received.get(user)
    received.set(user, line)
    if (before !== undefined)
      yield {
        ...{ rule: 'mail', user },
        what: `${users[user]} got a second welcome mail (lines ${before} and ${line})`,
        operations: operations.filter((operation) => operation.kind === 'register' && operation.user === user),
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
