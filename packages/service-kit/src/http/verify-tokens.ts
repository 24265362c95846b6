import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { Refusal } from '@cqrs/contracts'
import jwt, { type TokenOrHeader } from '@fastify/jwt'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { watchedFile } from '../keys/watched-file.ts'
import { ConfigError } from '../process/config.ts'
import { refusing } from './description.ts'
import type { HttpServer } from './http-server.ts'

/** The caller, according to the access token. */
const Caller = Type.Object({
  id: Type.String({ minLength: 1 }),
  roles: Type.Array(Type.String()),
  /** The claim `ver`: the caller's version when the token was issued. */
  version: Type.Integer({ minimum: 1 }),
})
export type Caller = Static<typeof Caller>

export type Authenticate = ReturnType<typeof verifyAccessTokens>

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: { sub: string; roles: string[]; ver: number }
    user: Caller
  }
}

/**
 * Registers the verification of access tokens (RFC 9068: `typ` at+jwt, exact issuer and audience, ES256 only) with the
 * public keys of a JWKS file, and returns the `onRequest` hook that refuses a request without a valid token. No signing
 * key is involved: this process cannot issue tokens.
 * @param admit is called with the caller of a valid token. It throws a Refusal if the token was revoked, else
 *   returns the caller as it is now
 * @throws ConfigError, or an error of the file system, if the file holds no usable keys
 */
export function verifyAccessTokens(
  app: HttpServer,
  settings: { JWKS_FILE: string; JWT_ISSUER: string; JWT_AUDIENCE: string },
  admit: (caller: Caller) => Promise<Caller>,
) {
  const keys = publicKeysOf(settings.JWKS_FILE, app.log)
  app.register(jwt, {
    // PEM strings and not key objects: @fastify/jwt caches one verifier per string.
    secret: { public: async (_request: FastifyRequest, token: TokenOrHeader) => keys(kidOf(token)) },
    decode: { complete: true },
    verify: {
      // Verified tokens, by SHA-256, until they expire. Revocation is not cached: `admit` checks each request.
      cache: 5_000,
      algorithms: ['ES256'],
      allowedIss: settings.JWT_ISSUER,
      allowedAud: settings.JWT_AUDIENCE,
      // An absent claim would not be compared with the allowed values.
      requiredClaims: ['iss', 'aud', 'exp', 'iat', 'sub', 'jti', 'roles', 'ver'],
    },
    formatUser: (claims) => {
      const { sub, roles, ver, iat } = claims as { sub: string; roles: string[]; ver: number; iat?: unknown }
      // The library checks the type of `iat` only if it compares it.
      if (typeof iat !== 'number') throw new TypeError('iat is not a number')
      return { id: sub, roles, version: ver }
    },
  })

  const authenticate = async (request: FastifyRequest): Promise<void> => {
    request.user = await admit(await callerByToken(request))
  }
  return refusing(['token-missing', 'token-invalid', 'token-expired', 'token-revoked'], authenticate)
}

async function callerByToken(request: FastifyRequest): Promise<Caller> {
  try {
    await request.jwtVerify()
  } catch (error) {
    throw new Refusal(tokenProblem((error as { code?: string }).code))
  }
  // sub, roles or ver can have another type.
  if (!caller.Check(request.user)) throw new Refusal('token-invalid')
  return request.user
}

/** The caller of a request; undefined on a route without `authenticate`. */
export const callerOf = (request: FastifyRequest): Caller | undefined => request.user ?? undefined

const caller = Compile(Caller)

function tokenProblem(code: string | undefined) {
  if (code === 'FST_JWT_NO_AUTHORIZATION_IN_HEADER') return 'token-missing'
  if (code === 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED') return 'token-expired'
  return 'token-invalid'
}

/** @throws Error if the token is no access token (RFC 9068, 4: `at+jwt`, also with `application/`) */
function kidOf(token: TokenOrHeader): string | undefined {
  const { kid, typ } = ('header' in token ? token.header : token) as Record<string, unknown>
  if (typeof typ !== 'string' || !/^(?:application\/)?at\+jwt$/i.test(typ)) throw new Error('not an access token')
  return kid as string | undefined
}

/** Looks up public keys by `kid`. Checks the file for changes once a second, and at once for an unknown `kid`. */
export function publicKeysOf(jwksFile: string, logger: FastifyBaseLogger): (kid: string | undefined) => string {
  const keys = watchedFile(jwksFile, (text) => parseKeys(text, jwksFile), logger)
  return (kid = '') => {
    const pem = keys().get(kid) ?? keys({ atOnce: true }).get(kid)
    if (!pem) throw new Error('unknown kid')
    return pem
  }
}

function parseKeys(text: string, jwksFile: string): Map<string, string> {
  try {
    const { keys } = JSON.parse(text) as { keys: (JsonWebKey & { kid: string })[] }
    return new Map(keys.map((key) => [key.kid, pemOf(key)]))
  } catch {
    throw new ConfigError(`${jwksFile} is not a JWKS of public keys (RFC 7517)`)
  }
}

const pemOf = (key: JsonWebKey): string =>
  createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string
