import { consistencyTokenHeader, minVersionHeader, Refusal, routes, UserId, UserReadModel } from '@cqrs/contracts'
import { EntityTags, type HttpServer, ifNoneMatchHolds } from '@cqrs/service-kit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { ReadyUser } from '../by-id/user-cache.ts'
import { FreshnessHeaders, freshAnswer, seenOf } from '../freshness/seen.ts'
import type { Dependencies } from './dependencies.ts'

/**
 * GET /api/v1/users/:id: the user, with its version as `ETag`. `X-Min-Version` waits until the read model has that
 * version or a higher one. The answer is 304 if `If-None-Match` names the version.
 */
export function getUser(app: HttpServer, { lookUp, fresh, database, authenticate }: Dependencies): void {
  const find = (request: FastifyRequest, id: string, minVersion: number): ReadyUser | Promise<ReadyUser> => {
    const seen = seenOf(request)
    const version = Math.max(minVersion, seen?.users.get(id) ?? 0)
    const wait = async (): Promise<ReadyUser> => {
      const users = new Map([...(seen?.users ?? []), ...(version > 0 ? [[id, version] as const] : [])])
      const needs = { seen: { users, times: seen?.times ?? new Map() }, readModels: ['users_read'] as const }
      const { result, token } = await fresh.read(request, needs, (moment) => lookUp.findAt(moment, id))
      return { ...result, token }
    }
    if (!seen) {
      const found = lookUp.find(id, version)
      if (version === 0 || !(found instanceof Promise)) return found
      return found.then((user) => (user.version < version ? wait() : user))
    }
    const after = seen.users.size === 0 ? database.latestOf(seen.times) : undefined
    return (after !== undefined && lookUp.inMemory(id, { atLeast: version, after })) || wait()
  }

  app.get(
    routes.getUser.path,
    {
      config: {
        summary: 'Get a user',
        boundsItself: true,
        headers: ['ETag', ...freshAnswer.headers],
        problems: ['user-not-found', ...freshAnswer.problems],
      },
      onRequest: authenticate,
      schema: {
        params: Type.Object({ id: UserId }),
        querystring: Type.Object({}, { additionalProperties: false }),
        headers: Type.Object({
          ...FreshnessHeaders.properties,
          [minVersionHeader]: Type.Optional(
            Type.Integer({
              minimum: 1,
              description: 'Wait until the read model has this version of the user, or a higher one',
            }),
          ),
          'if-none-match': Type.Optional(EntityTags),
        }),
        response: { 200: UserReadModel, 304: Type.Null() },
      },
    },
    (request, reply) => {
      const found = find(request, request.params.id, request.headers[minVersionHeader] ?? 0)
      // Most users are in memory. They are answered synchronously, which saves a turn of the promise queue.
      if (!(found instanceof Promise)) return answer(request, reply, found)
      found.then((user) => answer(request, reply, user)).catch((error) => reply.send(error))
    },
  )
}

/** A client that was told that a user is deleted must not see it again, so that answer has a token as well. */
function answer(request: FastifyRequest, reply: FastifyReply, user: ReadyUser): void {
  reply.header(consistencyTokenHeader, user.token)
  if (!user.body) throw new Refusal('user-not-found')
  const known = request.headers['if-none-match']
  reply.header('etag', user.etag)
  if (known && !ifNoneMatchHolds(known, user.etag)) reply.status(304).send()
  else reply.header('content-type', 'application/json; charset=utf-8').send(user.body)
}
