import type { Logger } from '@cqrs/telemetry'
import type { FastifyRequest } from 'fastify'
import { aboutRequest } from './request-id.ts'
import { maskedSourceOf } from './source.ts'
import { callerOf } from './verify-tokens.ts'

/** An action or an attempt. Holds no unmasked address and no secret. */
export type AuditEntry = {
  /** A verb: `log-in`, `update-user`. */
  action: string
  outcome: 'success' | 'failure'
  /** Why it failed, as a stable code; the client may be told less. */
  reason?: string | undefined
  /** The user it concerns, if there is one. */
  user_id?: string | undefined
  /** The roles that were granted. */
  roles?: string[] | undefined
}

export type Audit = ReturnType<typeof auditLog>

/**
 * Writes one line `audit` for each authentication and each administrative act, whatever LOG_LEVEL is. The actor and the
 * source come from the request; without a request the actor is `operator`.
 */
export function auditLog(logger: Logger) {
  const lines = logger.child({}, { level: 'info' })
  return (entry: AuditEntry, request?: FastifyRequest): void => {
    const actor = request
      ? { actor_id: callerOf(request)?.id, source: maskedSourceOf(request), ...aboutRequest(request) }
      : { actor: 'operator' }
    lines.info({ ...entry, ...actor }, 'audit')
  }
}
