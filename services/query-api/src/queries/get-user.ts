import { minVersionHeader, Refusal, routes, UserId, UserReadModel } from '@cqrs/contracts'
import { type Authenticate, EntityTags, type HttpServer, ifNoneMatchHolds } from '@cqrs/service-kit'
import Type from 'typebox'
import type { AppliedNotices } from '../adapters/applied-notices.ts'
import type { UserReadRepository } from '../adapters/user-read-repository.ts'
import { waitForVersion } from './wait-for-version.ts'

/**
 * GET /api/v1/users/:id: the user, and its version as `ETag`. With `X-Min-Version` it is answered from that version or a
 * higher one, which is waited for. Where it is one that `If-None-Match` names, the answer is 304.
 */
export function getUser(
  app: HttpServer,
  { users, notices, authenticate, timeoutMs }: Parts & { authenticate: Authenticate; timeoutMs: number },
): void {
  app.get(
    routes.getUser.path,
    {
      onRequest: authenticate,
      // Longer than the wait by the time that any other handler has.
      handlerTimeout: timeoutMs + 15_000,
      schema: {
        params: Type.Object({ id: UserId }),
        querystring: Type.Object({}, { additionalProperties: false }),
        headers: Type.Object({
          [minVersionHeader]: Type.Optional(Type.Integer({ minimum: 1 })),
          'if-none-match': Type.Optional(EntityTags),
        }),
        response: { 200: UserReadModel, 304: Type.Null() },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const version = request.headers[minVersionHeader]
      const found = version
        ? await waitForVersion({ id, version }, { users, notices, timeoutMs, until: request.signal })
        : await users.findById(id)
      if (!found?.user) throw new Refusal('user-not-found')
      const etag = `"${found.version}"`
      const known = request.headers['if-none-match']
      reply.headers({ etag, 'cache-control': 'no-store' })
      if (known && !ifNoneMatchHolds(known, etag)) return reply.status(304).send(null)
      return reply.send(found.user)
    },
  )
}

type Parts = { users: UserReadRepository; notices: AppliedNotices }
