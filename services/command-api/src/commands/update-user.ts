import { routes, UpdateUser, UserAnswer, UserId } from '@cqrs/contracts'
import type { Audit, Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import { refuseUnlessSelfOrAdmin, type User, update } from '../domain/user.ts'
import { answerOf, etagOf } from '../http/answers.ts'
import { audited } from '../http/audited.ts'
import { ConditionHeaders, refuseUnlessMatching } from '../http/conditions.ts'
import { contextOf } from '../http/context.ts'
import { doneOf, IdempotencyHeaders, refuseReuse, replayed } from '../http/idempotency.ts'
import type { Relay } from '../publishing/relay.ts'
import { loadDecideSave } from '../store/change-user.ts'
import type { UserRepository } from '../store/user-repository.ts'

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
        headers: ['ETag', 'Idempotency-Replayed'],
        problems: [
          'not-allowed',
          'role-not-allowed',
          'user-not-found',
          'version-conflict',
          'idempotency-key-reused',
          'precondition-failed',
          'storage-unavailable',
        ],
      },
      onRequest: authenticate,
      onResponse: audited('update-user', { audit }),
      schema: {
        params: Type.Object({ id: UserId }),
        headers: Type.Object({ ...ConditionHeaders.properties, ...IdempotencyHeaders.properties }),
        body: UpdateUser,
        response: { 200: UserAnswer },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const context = contextOf(request)
      refuseUnlessSelfOrAdmin(id, context.caller) // before the look-up: a stranger does not learn which ids exist
      const { name, roles } = request.body
      const key = request.headers['idempotency-key']
      const done = key ? doneOf(['update', context.caller?.id ?? '', id], key, [name, roles]) : undefined
      const updatedTo = (user: User) => done && { ...done, ...pick(user) }
      const tryUpdate = async (current: User) => {
        // After the look-up: what is done in between makes the save fail, and is found at the next try.
        const before = done && (await users.findUpdate(id, done.key))
        if (before) {
          refuseReuse(before, done)
          return { user: { ...current, name, roles, ...pick(before) }, isReplay: true }
        }
        refuseUnlessMatching(request.headers['if-match'], current)
        const change = update(current, request.body, context)
        const user = change?.state ?? current
        const updated = updatedTo(user)
        if (
          change ? !(await users.save(change, current.version, updated)) : updated && !(await users.note(id, updated))
        )
          return undefined
        if (change) relay.publish(change.event)
        return { user, isReplay: false }
      }
      const { user, isReplay } = await loadDecideSave(users, id, tryUpdate)
      return reply.headers({ etag: etagOf(user), ...(isReplay && replayed) }).send(answerOf(user))
    },
  )
}

const pick = ({ version, isActive, updatedAt }: Pick<User, 'version' | 'isActive' | 'updatedAt'>) => ({
  version,
  isActive,
  updatedAt,
})
