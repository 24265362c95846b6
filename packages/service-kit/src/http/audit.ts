import type { FastifyRequest } from 'fastify'
import type { Logger } from '../process/logger.ts'
import { maskedSourceOf } from './source.ts'
import { callerOf } from './verify-tokens.ts'

/** What somebody did, or tried: never with an address in clear or a secret. */
export type AuditEntry = {
  /** What was done, as a verb: `log-in`, `update-user`. */
  action: string
  outcome: 'success' | 'failure'
  /** Why it failed, as a stable code: more than the client is told. */
  reason?: string | undefined
  /** The user it was done to; absent where there is none. */
  user_id?: string | undefined
  /** The roles that were given. */
  roles?: string[] | undefined
}

export type Audit = ReturnType<typeof auditLog>

/**
 * Writes one line `audit` for each authentication and each administrative act, whatever LOG_LEVEL says. Who acted and
 * from where is taken from the request; an operator's command has none.
 */
export function auditLog(logger: Logger) {
  const lines = logger.child({}, { level: 'info' })
  return (entry: AuditEntry, request?: FastifyRequest): void => {
    const actor = request ? { actor_id: callerOf(request)?.id, source: maskedSourceOf(request) } : { actor: 'operator' }
    lines.info({ ...entry, ...actor }, 'audit')
  }
}
