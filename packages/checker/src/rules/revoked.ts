import { type Facts, tellsDeletion } from '../facts.ts'
import type { History, Operation } from '../history.ts'
import type { Violation } from './violation.ts'

/**
 * What ends the sessions of a user (deactivation, log-out everywhere, change of password, deletion) revokes its access
 * and refresh tokens of earlier versions. A request with one that began later than the bound is refused.
 */
export function* revoked(history: History, { operationsOf }: Facts): Generator<Violation> {
  const { users, bounds, operations } = history
  const revocationsOf = operationsOf.map(firstRevocations)

  const accessTokens = new Map<string, Token>()
  const refreshTokens = new Map<string, Token>()
  for (const operation of operations.filter(({ newAccess }) => newAccess).sort((a, b) => a.end - b.end)) {
    const { user, version, newAccess, newRefresh, refresh } = operation
    const token = { operation, user, revocation: revocationOf(revocationsOf[user] ?? [], version) }
    accessTokens.set(newAccess, token)
    // A session keeps the version of its login, however often it is refreshed.
    refreshTokens.set(newRefresh, refreshTokens.get(refresh) ?? token)
  }
  for (const operation of operations) {
    if (!operation.isOk) continue
    const session = operation.kind === 'refresh' ? refreshTokens.get(operation.refresh) : undefined
    const token = session ?? accessTokens.get(operation.access)
    if (!token?.revocation) continue
    const bound = operation.isQuery ? bounds.revokedQuery : bounds.revokedCommand
    if (operation.begin <= token.revocation.end + bound) continue
    const { kind, id, isOk } = token.revocation
    yield {
      ...{ rule: 'revoked', user: token.user },
      what:
        `the ${operation.kind} ${operation.id} was accepted with a token of ${users[token.user]} ` +
        (isOk ? `that the ${kind} ${id} had revoked` : `after the ${kind} ${id} was told that the user is deleted`),
      operations: [token.operation, token.revocation, operation],
    }
  }
}

/** By version, each with the one that was acknowledged first among itself and those of later versions. */
function firstRevocations(operations: Operation[]): { version: number; first: Operation }[] {
  const revocations = operations
    .filter((one) => tellsDeletion(one) || (one.isOk && one.version > 0 && revoking.has(one.kind)))
    .sort((a, b) => a.version - b.version)
    .map((first) => ({ version: first.version, first }))
  let first: Operation | undefined
  for (const revocation of revocations.toReversed()) {
    if (first && first.end < revocation.first.end) revocation.first = first
    first = revocation.first
  }
  return revocations
}

/** The first acknowledged revocation of tokens of this version. */
function revocationOf(revocations: { version: number; first: Operation }[], version: number): Operation | undefined {
  let [from, to] = [0, revocations.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((revocations[middle]?.version ?? 0) > version) to = middle
    else from = middle + 1
  }
  return revocations[from]?.first
}

const revoking: ReadonlySet<string> = new Set(['deactivate', 'logout-all', 'password'])

type Token = { operation: Operation; user: number; revocation: Operation | undefined }
