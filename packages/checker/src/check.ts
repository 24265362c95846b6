import { factsOf } from './facts.ts'
import type { History } from './history.ts'
import { content } from './rules/content.ts'
import { deleted } from './rules/deleted.ts'
import { email } from './rules/email.ts'
import { explained } from './rules/explained.ts'
import { fresh } from './rules/fresh.ts'
import { ifMatch } from './rules/if-match.ts'
import { mail } from './rules/mail.ts'
import { oneKey } from './rules/one-key.ts'
import { order } from './rules/order.ts'
import { revoked } from './rules/revoked.ts'
import type { NotDecided, Violation } from './rules/violation.ts'

export type Report = {
  violations: Violation[]
  /** What the searches could neither show nor refute within their limit. */
  notDecided: NotDecided[]
}

/**
 * Judges a history. It does not say that the system is right, only that this history shows nothing wrong.
 * @param options.limit dead ends of one search, after which it is reported as not decided
 */
export function check(history: History, { limit = 50_000 }: { limit?: number } = {}): Report {
  const facts = factsOf(history)
  const faulty = new Set<number>()
  const violations = new Map<string, Violation>()
  const notDecided: NotDecided[] = []
  const take = (found: Violation | NotDecided) => {
    if ('notDecided' in found) notDecided.push(found)
    // Two rules can find the same.
    else violations.set([found.rule, found.user, found.operations.at(-1)?.id, found.what].join(' '), found)
  }
  for (const rule of [order, content, ifMatch, oneKey, deleted]) {
    for (const found of rule(history, facts)) {
      take(found)
      faulty.add(found.user)
    }
  }
  for (const rule of [fresh, revoked, mail]) for (const found of rule(history, facts)) take(found)
  const options = { limit, isFaulty: (user: number) => faulty.has(user) }
  for (const rule of [email, explained]) for (const found of rule(history, facts, options)) take(found)
  return { violations: [...violations.values()], notDecided }
}
