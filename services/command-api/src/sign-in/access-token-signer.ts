import { randomUUID } from 'node:crypto'
import type { AccessToken } from '@cqrs/contracts'
import { ConfigError, type Logger, publicJwk, watchedFile } from '@cqrs/service-kit'
import { createSigner } from 'fast-jwt'
import type { User } from '../domain/user.ts'
import { deviceTokens } from './known-devices.ts'

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
 * Signs access tokens: ES256, with the claims of RFC 9068, section 2.2; and device tokens, with the same key. A new key
 * in the file is used within a second, if its public half is published.
 * @throws ConfigError if the key is not an ES256 key, or its public half is missing from the file of public keys
 */
export function accessTokenSigner(options: Options) {
  const { signingKeyFile, jwksFile, logger } = options
  const signingKey = watchedFile(signingKeyFile, (pem) => ({ pem, kid: publicJwk(pem).kid }), logger)
  const publishedKids = watchedFile(jwksFile, kidsOf, logger)
  let current = signingKey()
  if (!publishedKids().includes(current.kid)) throw new ConfigError(unpublished(current.kid, jwksFile))
  let signers = signersBy(current, options)
  let reported: string | undefined

  /** Signs with the key in the file, or with the previous one while the public half of the new one is missing. */
  function currentSigners() {
    const key = signingKey()
    if (key.kid === current.kid) return signers
    if (publishedKids({ atOnce: true }).includes(key.kid)) {
      current = key
      signers = signersBy(key, options)
      logger.info({ kid: key.kid }, 'signing key changed')
    } else if (key.kid !== reported) {
      reported = key.kid
      logger.error(unpublished(key.kid, jwksFile))
    }
    return signers
  }

  return {
    sign: (user: User): AccessToken => ({
      accessToken: currentSigners().access({
        sub: user.id,
        client_id: options.audience,
        roles: user.roles,
        ver: user.version,
        jti: randomUUID(),
      }),
      tokenType: 'Bearer',
      expiresIn: options.ttlSeconds,
    }),
    /** @param device the id of the device, if it has one */
    signDevice: (user: User, device: string = randomUUID()): string =>
      currentSigners().device({ sub: user.id, ver: user.version, jti: device }),
  }
}

function signersBy({ pem, kid }: { pem: string; kid: string }, { issuer, audience, ttlSeconds }: Options) {
  const signer = (typ: string, aud: string, expiresIn: number) =>
    createSigner({ key: pem, algorithm: 'ES256', header: { alg: 'ES256', typ }, kid, iss: issuer, aud, expiresIn })
  return {
    access: signer('at+jwt', audience, ttlSeconds * 1000),
    device: signer(deviceTokens.typ, deviceTokens.audienceOf(issuer), deviceTokens.lifetimeMs),
  }
}

const kidsOf = (jwks: string): string[] => (JSON.parse(jwks) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)

const unpublished = (kid: string, jwksFile: string): string =>
  `signing key ${kid} is missing from ${jwksFile}: its tokens could not be verified`
