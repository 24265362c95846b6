import { readFile } from 'node:fs/promises'
import { routes } from '@cqrs/contracts'
import type { HttpServer } from '@cqrs/service-kit'

/** GET /.well-known/jwks.json: the public keys of access tokens (RFC 7517), for whoever verifies them. */
export function publicKeys(app: HttpServer, { jwksFile }: { jwksFile: string }): void {
  app.get(routes.publicKeys.path, async (_request, reply) =>
    reply
      .header('cache-control', 'public, max-age=300')
      .type('application/jwk-set+json')
      .send(await readFile(jwksFile, 'utf8')),
  )
}
