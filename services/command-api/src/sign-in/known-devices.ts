import { type Logger, publicKeysOf } from '@cqrs/service-kit'
import { createVerifier } from 'fast-jwt'
import type { User } from '../domain/user.ts'

export type KnownDevices = ReturnType<typeof knownDevices>

/**
 * A device token says that somebody with the right password has logged in from a device: OWASP's device cookie, for
 * clients of an API (docs/decisions/0015). Its type and audience keep it apart from access tokens.
 */
export const deviceTokens = {
  typ: 'device+jwt',
  audienceOf: (issuer: string): string => `${issuer}/login`,
  lifetimeMs: 180 * 24 * 3_600_000,
}

/** Verifies device tokens with the public keys of the JWKS file. */
export function knownDevices({ jwksFile, issuer, logger }: { jwksFile: string; issuer: string; logger: Logger }) {
  const keys = publicKeysOf(jwksFile, logger)
  const verify = createVerifier({
    key: async ({ header }: { header: { kid?: string } }) => keys(header.kid),
    algorithms: ['ES256'],
    checkTyp: deviceTokens.typ,
    allowedIss: issuer,
    allowedAud: deviceTokens.audienceOf(issuer),
    requiredClaims: ['iss', 'aud', 'exp', 'sub', 'ver', 'jti'],
  })

  return {
    /**
     * The id of the device, if this is a valid token of this user. Whatever ended the user's sessions has ended its
     * device tokens as well. Any other text has no effect, and takes as long for a known user as for an unknown one.
     */
    async find(token: string | undefined, user: User | undefined): Promise<string | undefined> {
      if (token === undefined) return undefined
      const claims: Claims | undefined = await verify(token).catch(() => undefined)
      return user && claims?.sub === user.id && claims.ver >= user.tokensFromVersion ? claims.jti : undefined
    },
  }
}

type Claims = { sub: string; ver: number; jti: string }
