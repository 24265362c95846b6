import { minVersionHeader, Refusal, routes, UserId, UserReadModel } from '@cqrs/contracts'
import type { Authenticate, HttpServer } from '@cqrs/service-kit'
import Type from 'typebox'
import type { AppliedNotices } from '../adapters/applied-notices.ts'
import type { UserReadRepository } from '../adapters/user-read-repository.ts'
import { waitForVersion } from './wait-for-version.ts'

/**
 * GET /api/v1/users/:id: the user, and its version as `ETag`. With `X-Min-Version` it is answered from that version or a
 * higher one, which is waited for.
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
        headers: Type.Object({ [minVersionHeader]: Type.Optional(Type.Integer({ minimum: 1 })) }),
        response: { 200: UserReadModel },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const version = request.headers[minVersionHeader]
      const found = version
        ? await waitForVersion({ id, version }, { users, notices, timeoutMs, until: request.signal })
        : await users.findById(id)
      if (!found?.user) throw new Refusal('user-not-found')
      return reply.headers({ etag: `"${found.version}"`, 'cache-control': 'no-store' }).send(found.user)
    },
  )
}

type Parts = { users: UserReadRepository; notices: AppliedNotices }
