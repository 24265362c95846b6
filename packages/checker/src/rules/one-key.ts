import { type Facts, mayBeDeleted } from '../facts.ts'
import type { History, Operation } from '../history.ts'
import type { Violation } from './violation.ts'

/** Requests with one idempotency key have one effect: all get the same version of the same user, one of them first. */
export function* oneKey(history: History, facts: Facts): Generator<Violation> {
  const firsts = new Map<string, Operation>()
  const answered = history.operations.filter(({ isOk, key }) => isOk && key)
  for (const operation of answered.sort((a, b) => a.end - b.end)) {
    const key = keyOf(operation)
    const first = firsts.get(key)
    if (!first) firsts.set(key, operation)
    else if (first.user !== operation.user) {
      // After a deletion the same key registers another user.
      if (mayBeDeleted(facts, first.user, operation.end) || mayBeDeleted(facts, operation.user, operation.end)) continue
      yield violation('has registered two users', first, operation)
    } else if (first.version !== operation.version) yield violation('has made two versions', first, operation)
    else if (!operation.isReplay) {
      if (!first.isReplay) yield violation('has been the first of its key twice', first, operation)
      else if (first.end < operation.begin) yield violation('was repeated before its first request', first, operation)
      firsts.set(key, operation)
    }
  }
}

/** The same key of another command, user or caller is another key. The recorder hashes the caller into it. */
export const keyOf = ({ kind, key, user, email }: Operation): string =>
  kind === 'register' ? `${kind} ${email} ${key}` : `${kind} ${user} ${key}`

const violation = (what: string, ...operations: [Operation, Operation]): Violation => ({
  ...{ rule: 'one-key', user: operations[0].user },
  what: `the key ${operations[0].key} of the ${operations[0].kind} ${operations[0].id} ${what}`,
  operations,
})
