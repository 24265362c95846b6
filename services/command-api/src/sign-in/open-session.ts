import { Refusal, type SessionAnswer } from '@cqrs/contracts'
import type { User } from '../domain/user.ts'
import type { UserRepository } from '../store/user-repository.ts'
import type { AccessTokenSigner } from './access-token-signer.ts'
import type { Sessions } from './sessions.ts'

/**
 * Begins a session of a user that has shown its password.
 *
 * Its user is looked at once more afterwards: who ended all sessions meanwhile, as by deleting the user, may not have
 * seen this one. It would be dead, since it is of an older version, but it would stay behind.
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
