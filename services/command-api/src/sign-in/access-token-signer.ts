import { randomUUID } from 'node:crypto'
import type { AccessToken } from '@cqrs/contracts'
import { ConfigError, type Logger, publicJwk, watchedFile } from '@cqrs/service-kit'
import { createSigner } from 'fast-jwt'
import type { User } from '../domain/user.ts'

export type AccessTokenSigner = ReturnType<typeof accessTokenSigner>

type Options = {
  signingKeyFile: string
  jwksFile: string
  issuer: string
  audience: string
  ttlSeconds: number
  logger: Logger
}

/**
 * Makes access tokens: ES256, the claims of RFC 9068, section 2.2. Another key in the file signs from the next second on,
 * if its public half is published.
 * @throws ConfigError when the key is not one for ES256, or its public half is missing from the file of public keys
 */
export function accessTokenSigner(options: Options) {
  const { signingKeyFile, jwksFile, logger } = options
  const signingKey = watchedFile(signingKeyFile, (pem) => ({ pem, kid: publicJwk(pem).kid }), logger)
  const publishedKids = watchedFile(jwksFile, kidsOf, logger)
  let current = signingKey()
  if (!publishedKids().includes(current.kid)) throw new ConfigError(unpublished(current.kid, jwksFile))
  let sign = signerBy(current, options)
  let complainedOf: string | undefined

  /** The signer by the key in the file; by the former one as long as nobody could verify what the new one signs. */
  function signer() {
    const key = signingKey()
    if (key.kid === current.kid) return sign
    if (publishedKids({ atOnce: true }).includes(key.kid)) {
      current = key
      sign = signerBy(key, options)
      logger.info({ kid: key.kid }, 'another key signs access tokens')
    } else if (key.kid !== complainedOf) {
      complainedOf = key.kid
      logger.error(unpublished(key.kid, jwksFile))
    }
    return sign
  }

  return {
    sign: (user: User): AccessToken => ({
      accessToken: signer()({
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

const signerBy = ({ pem, kid }: { pem: string; kid: string }, { issuer, audience, ttlSeconds }: Options) =>
  createSigner({
    key: pem,
    algorithm: 'ES256',
    header: { alg: 'ES256', typ: 'at+jwt' },
    kid,
    iss: issuer,
    aud: audience,
    expiresIn: ttlSeconds * 1000,
  })

const kidsOf = (jwks: string): string[] => (JSON.parse(jwks) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)

const unpublished = (kid: string, jwksFile: string): string =>
  `the signing key ${kid} is not in ${jwksFile}: nobody could verify its tokens`
