import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AccessToken } from '@cqrs/contracts'
import { ConfigError, publicJwk } from '@cqrs/service-kit'
import { createSigner } from 'fast-jwt'
import type { User } from '../domain/user.ts'

export type AccessTokenSigner = ReturnType<typeof accessTokenSigner>

/**
 * Makes access tokens: ES256, the claims of RFC 9068, section 2.2.
 * @throws ConfigError when the key is not one for ES256, or its public half is missing from the file of public keys
 */
export function accessTokenSigner(options: {
  signingKeyFile: string
  jwksFile: string
  issuer: string
  audience: string
  ttlSeconds: number
}) {
  const key = readFileSync(options.signingKeyFile, 'utf8')
  const { kid } = publicJwk(key)
  const published = JSON.parse(readFileSync(options.jwksFile, 'utf8')) as { keys: { kid: string }[] }
  if (!published.keys.some((publicKey) => publicKey.kid === kid))
    throw new ConfigError(`the signing key ${kid} is not in ${options.jwksFile}: nobody could verify its tokens`)
  const sign = createSigner({
    key,
    algorithm: 'ES256',
    header: { alg: 'ES256', typ: 'at+jwt' },
    kid,
    iss: options.issuer,
    aud: options.audience,
    expiresIn: options.ttlSeconds * 1000,
  })

  return {
    sign: (user: User): AccessToken => ({
      accessToken: sign({
        sub: user.id,
        client_id: options.audience,
        roles: user.roles,
        ver: user.version,
        jti: randomUUID(),
      }),
      tokenType: 'Bearer',
      expiresIn: options.ttlSeconds,
    }),
  }
}
