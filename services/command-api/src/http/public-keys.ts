import { readFile } from 'node:fs/promises'
import { PublicKeys, routes } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'

/**
 * GET /.well-known/jwks.json: the public keys that verify access tokens (RFC 7517). The response schema sends only the
 * members of a public key, whatever else the file holds.
 */
export function publicKeys(app: HttpServer, { jwksFile }: { jwksFile: string }): void {
  app.get(
    routes.publicKeys.path,
    {
      config: { summary: 'Get the public keys of access tokens', headers: ['Cache-Control'] },
      schema: { response: { 200: { content: { 'application/jwk-set+json': { schema: PublicKeys } } } } },
    },
    async (_request, reply) =>
      reply
        .header('cache-control', 'public, max-age=300')
        .type('application/jwk-set+json')
        .send(JSON.parse(await readFile(jwksFile, 'utf8')) as PublicKeys),
  )
}
