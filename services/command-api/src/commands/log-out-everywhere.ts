import { Refusal, routes } from '@cqrs/contracts'
import type { Audit, Authenticate, HttpServer } from '@cqrs/service-kit'
import { endSessions } from '../domain/access.ts'
import { etagOf } from '../http/answers.ts'
import { contextOf } from '../http/context.ts'
import type { Relay } from '../publishing/relay.ts'
import { forgetSessions } from '../sign-in/forget-sessions.ts'
import type { Sessions } from '../sign-in/sessions.ts'
import { loadDecideSave } from '../store/change-user.ts'
import type { UserRepository } from '../store/user-repository.ts'

/** POST /api/v1/auth/logout-all: 204; every session of the caller ends, and its access tokens are dead. */
export function logOutEverywhere(app: HttpServer, { users, relay, sessions, audit, authenticate }: Parts): void {
  app.post(
    routes.logOutEverywhere.path,
    {
      config: {
        summary: 'End every session of the caller',
        headers: ['ETag'],
        problems: ['user-not-found', 'version-conflict', 'storage-unavailable'],
      },
      onRequest: authenticate,
    },
    async (request, reply) => {
      const context = contextOf(request)
      if (!context.caller) throw new Refusal('token-missing')
      const user = await loadDecideSave(users, context.caller.id, async (current) => {
        const change = endSessions(current, context)
        if (!(await users.save(change, current.version))) return undefined
        relay.publish(change.event)
        return change.state
      })
      audit({ action: 'log-out-everywhere', outcome: 'success', user_id: user.id }, request)
      await forgetSessions(user.id, request, { sessions })
      return reply.status(204).header('etag', etagOf(user)).send()
    },
  )
}

type Parts = {
  users: UserRepository
  relay: Relay
  sessions: Sessions
  audit: Audit
  authenticate: Authenticate
}
