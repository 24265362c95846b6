import { Refusal, type SessionAnswer } from '@cqrs/contracts'
import type { User } from '../domain/user.ts'
import type { UserRepository } from '../store/user-repository.ts'
import type { AccessTokenSigner } from './access-token-signer.ts'
import type { Sessions } from './sessions.ts'

/**
 * Begins a session of a user whose password was checked.
 *
 * It loads the user again afterwards: a concurrent command that ended all sessions, such as a deletion, may have missed
 * this one. It would be useless, because its version is revoked, but it would remain in the database.
 * @throws Refusal `invalid-credentials` in that case
 */
export async function openSession(
  user: User,
  { users, sessions, tokens }: { users: UserRepository; sessions: Sessions; tokens: AccessTokenSigner },
): Promise<SessionAnswer> {
  const refresh = await sessions.begin(user)
  const now = await users.findById(user.id)
  if (!now?.isActive || user.version < now.tokensFromVersion) {
    await sessions.end(refresh.refreshToken)
    throw new Refusal('invalid-credentials')
  }
  return { ...tokens.sign(user), ...refresh }
}
