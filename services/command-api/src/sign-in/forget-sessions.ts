import { aboutRequest } from '@cqrs/service-kit'
import type { FastifyRequest } from 'fastify'
import type { Sessions } from './sessions.ts'

/**
 * Deletes the sessions that a change of their user has ended. The user's version has revoked them already, so the
 * command succeeds even if this fails: they expire, and those of a deleted user are deleted when its event is
 * published.
 */
export async function forgetSessions(
  userId: string,
  request: FastifyRequest,
  { sessions }: { sessions: Sessions },
): Promise<void> {
  await sessions
    .endAllOf(userId)
    .catch((err) => request.log.warn({ err, ...aboutRequest(request) }, 'ended sessions not deleted yet'))
}
