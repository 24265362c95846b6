import { UserId } from '@cqrs/contracts'
import { type Audit, Counter, callerOf } from '@cqrs/service-kit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Compile } from 'typebox/compile'

/**
 * The `onResponse` hook of a route on one user. It writes each change to the audit log, also a refused one with the
 * code of its problem, but for updates of oneself.
 */
export const audited =
  (action: 'update-user' | 'delete-user' | 'activate-user' | 'deactivate-user', { audit }: { audit: Audit }) =>
  async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { id } = request.params as { id: string }
    const caller = callerOf(request)
    // A malformed id can be anything, also an e-mail address.
    if (!caller || (caller.id === id && action === 'update-user') || !userId.Check(id)) return
    const roles = (request.body as { roles?: string[] } | undefined)?.roles
    if (reply.statusCode < 400) audit({ action, outcome: 'success', user_id: id, roles }, request)
    else audit({ action, outcome: 'failure', reason: reply.problemCode, user_id: id }, request)
  }

const userId = Compile(UserId)

/** Also counts the events, by action. */
export const counted = (audit: Audit): Audit => {
  for (const action of actions) for (const outcome of outcomes) events.inc({ action, outcome }, 0)
  return (entry, request) => {
    const { action, outcome } = entry
    events.inc({ action, outcome })
    audit(entry, request)
  }
}

const outcomes = ['success', 'failure']
const actions = [
  ...['register', 'log-in', 'refresh', 'log-out', 'log-out-everywhere', 'change-password'],
  ...['update-user', 'delete-user', 'activate-user', 'deactivate-user', 'create-admin'],
]
const events = new Counter({
  name: 'audit_events_total',
  help: 'Lines of the audit log: authentications and administrative acts',
  labelNames: ['action', 'outcome'],
})
