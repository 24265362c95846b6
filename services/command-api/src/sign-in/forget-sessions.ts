import type { FastifyRequest } from 'fastify'
import type { Sessions } from './sessions.ts'

/**
 * Deletes the sessions of a user whose change has ended them. They are dead by its version already, so where this fails
 * the command has succeeded all the same: they expire, and those of a deleted user go with the publishing of its event.
 */
export async function forgetSessions(
  userId: string,
  request: FastifyRequest,
  { sessions }: { sessions: Sessions },
): Promise<void> {
  await sessions.endAllOf(userId).catch((err) => request.log.warn({ err }, 'ended sessions not deleted yet'))
}
