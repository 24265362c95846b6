import { UserId } from '@cqrs/contracts'
import { type Audit, callerOf } from '@cqrs/service-kit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Compile } from 'typebox/compile'

/**
 * The hook `onResponse` of a route on one user: what somebody else than that user did, or tried to do, is in the audit
 * log with the code of the refusal.
 */
export const audited =
  (action: string, { audit }: { audit: Audit }) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { id } = request.params as { id: string }
    const caller = callerOf(request)
    // What is no id can be anything, also somebody's address.
    if (!caller || caller.id === id || !userId.Check(id)) return
    const roles = (request.body as { roles?: string[] } | undefined)?.roles
    if (reply.statusCode < 400) audit({ action, outcome: 'success', user_id: id, roles }, request)
    else audit({ action, outcome: 'failure', reason: reply.problemCode, user_id: id }, request)
  }

const userId = Compile(UserId)
