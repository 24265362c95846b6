import { routes, UpdateUser, UserAnswer, UserId } from '@cqrs/contracts'
import type { Audit, Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import type { Relay } from '../adapters/relay.ts'
import type { UserRepository } from '../adapters/user-repository.ts'
import { refuseUnlessSelfOrAdmin, update } from '../domain/user.ts'
import { answerOf, etagOf } from './answers.ts'
import { audited } from './audited.ts'
import { ConditionHeaders, refuseUnlessMatching } from './conditions.ts'
import { contextOf } from './context.ts'
import { loadDecideSave } from './load-decide-save.ts'

/** PUT /api/v1/users/:id: 200 with the user as it is now, also where nothing had to change. */
export function updateUser(
  app: HttpServer,
  {
    users,
    relay,
    audit,
    authenticate,
  }: { users: UserRepository; relay: Relay; audit: Audit; authenticate: Authenticate },
): void {
  app.put(
    routes.updateUser.path,
    {
      config: {
        summary: 'Replace name and roles of a user',
        headers: ['ETag'],
        problems: [
          'not-allowed',
          'role-not-allowed',
          'user-not-found',
          'version-conflict',
          'precondition-failed',
          'storage-unavailable',
        ],
      },
      onRequest: authenticate,
      onResponse: audited('update-user', { audit }),
      schema: {
        params: Type.Object({ id: UserId }),
        headers: ConditionHeaders,
        body: UpdateUser,
        response: { 200: UserAnswer },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const context = contextOf(request)
      refuseUnlessSelfOrAdmin(id, context.caller) // before the look-up: a stranger does not learn which ids exist
      const user = await loadDecideSave(users, id, async (current) => {
        refuseUnlessMatching(request.headers['if-match'], current)
        const change = update(current, request.body, context)
        if (!change) return current
        if (!(await users.save(change, current.version))) return undefined
        relay.publish(change.event)
        return change.state
      })
      return reply.header('etag', etagOf(user)).send(answerOf(user))
    },
  )
}
