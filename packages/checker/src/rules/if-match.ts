import { alwaysMakes, type Facts } from '../facts.ts'
import type { History } from '../history.ts'
import type { Violation } from './violation.ts'

/** A command with `If-Match` that succeeds found that version: it answers the next one, or it if nothing changes. */
export function* ifMatch(history: History, _facts: Facts): Generator<Violation> {
  for (const operation of history.operations) {
    const { isOk, isReplay, ifMatch, version, kind, id, user } = operation
    if (!isOk || isReplay || ifMatch < 0) continue
    if (version === ifMatch + 1 || (version === ifMatch && !alwaysMakes(operation))) continue
    yield {
      ...{ rule: 'if-match', user },
      what:
        `the ${kind} ${id} of ${history.users[user]} asked for version ${ifMatch} as the current one, ` +
        `and succeeded with version ${version}`,
      operations: [operation],
    }
  }
}
