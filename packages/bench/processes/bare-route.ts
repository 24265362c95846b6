import { verifyAccessTokens } from '@cqrs/service-kit'
import Fastify from 'fastify'
import { answerJob } from '../harness/in-child.ts'

/** The least that can answer these requests: verifies a token and sends bytes that are already in memory. */
export type BareRouteJob = {
  bodies: Record<string, string>
  /** The headers of each answer besides its type and length. */
  headers: Record<string, string>
  jwksFile: string
  issuer: string
  audience: string
}

await answerJob<BareRouteJob>(async ({ bodies, headers, jwksFile, issuer, audience }) => {
  const bytes = new Map(Object.entries(bodies).map(([id, text]) => [id, Buffer.from(text)]))
  const app = Fastify()
  const settings = { JWKS_FILE: jwksFile, JWT_ISSUER: issuer, JWT_AUDIENCE: audience }
  const authenticate = verifyAccessTokens(app as never, settings, async (caller) => caller)
  app.get<{ Params: { id: string } }>('/api/v1/users/:id', { onRequest: authenticate as never }, (request, reply) =>
    reply.headers(headers).type('application/json; charset=utf-8').send(bytes.get(request.params.id)),
  )
  return { baseUrl: await app.listen({ host: '127.0.0.1', port: 0 }) }
})
