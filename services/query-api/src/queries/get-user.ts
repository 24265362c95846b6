import { minVersionHeader, Refusal, routes, UserId, UserReadModel } from '@cqrs/contracts'
import { callerOf, EntityTags, type HttpServer, ifNoneMatchHolds } from '@cqrs/service-kit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { ReadyUser } from '../by-id/user-cache.ts'
import { waitForVersion } from '../freshness/wait-for-version.ts'
import type { Dependencies } from './dependencies.ts'

/**
 * GET /api/v1/users/:id: the user, with its version as `ETag`. `X-Min-Version` waits until the read model has that
 * version or a higher one. The answer is 304 if `If-None-Match` names the version.
 */
export function getUser(app: HttpServer, { lookUp, notices, authenticate, waitMs }: Dependencies): void {
  app.get(
    routes.getUser.path,
    {
      config: {
        summary: 'Get a user',
        boundsItself: true,
        headers: ['ETag', 'Cache-Control'],
        problems: ['user-not-found', 'rate-limited', 'read-model-behind', 'overloaded', 'storage-unavailable'],
      },
      onRequest: authenticate,
      schema: {
        params: Type.Object({ id: UserId }),
        querystring: Type.Object({}, { additionalProperties: false }),
        headers: Type.Object({
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
      const { id } = request.params
      const version = request.headers[minVersionHeader]
      const caller = callerOf(request)?.id ?? ''
      const first = lookUp.find(id, version)
      // Most users are in memory. They are answered synchronously, which saves a turn of the promise queue.
      if (!(first instanceof Promise)) return answer(request, reply, first)
      const found = version
        ? waitForVersion({ id, version, caller, first }, { lookUp, notices, timeoutMs: waitMs, until: request.signal })
        : first
      found.then((user) => answer(request, reply, user)).catch((error) => reply.send(error))
    },
  )
}

function answer(request: FastifyRequest, reply: FastifyReply, user: ReadyUser | undefined): void {
  if (!user?.body) throw new Refusal('user-not-found')
  const known = request.headers['if-none-match']
  reply.header('etag', user.etag)
  if (known && !ifNoneMatchHolds(known, user.etag)) reply.status(304).send()
  else reply.header('content-type', 'application/json; charset=utf-8').send(user.body)
}
