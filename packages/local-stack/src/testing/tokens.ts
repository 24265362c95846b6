import { createHmac, createPublicKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { publicJwk } from '@cqrs/service-kit'
import { createSigner, type SignerOptions } from 'fast-jwt'

export type TokenOptions = Partial<SignerOptions>
type Members = Record<string, unknown>

/**
 * Gives a function that makes access tokens as command-api makes them (RFC 9068), for a buyer and a minute. The claims and
 * options of a call replace those of a valid token; a claim that is undefined is left out.
 * @param signingKeyFile the private key (PEM); it is read once
 * @param defaults options of every token, for example another issuer
 */
export function tokenMint(signingKeyFile: string, defaults: TokenOptions = {}) {
  const key = readFileSync(signingKeyFile, 'utf8')
  const { kid } = publicJwk(key)
  return (claims: Members = {}, options: TokenOptions = {}): string =>
    createSigner({
      key,
      algorithm: 'ES256',
      kid,
      header: { alg: 'ES256', typ: 'at+jwt' },
      iss: 'cqrs-user-service',
      aud: 'cqrs-user-service',
      expiresIn: 60_000,
      ...defaults,
      ...options,
    })({
      sub: '019a6f0c-0000-7000-8000-000000000000',
      roles: ['buyer'],
      ver: 1,
      jti: crypto.randomUUID(),
      ...claims,
    })
}

/**
 * A token that no library makes: `token` with other members in its header and claims (undefined takes one out), signed
 * with ECDSA by `key`, with HMAC by `secret`, or else with the signature that it had.
 */
export function forge(
  token: string,
  { header = {}, claims = {}, ...by }: { header?: Members; claims?: Members; key?: string; secret?: string },
): string {
  const [head = '', body = '', signature = ''] = token.split('.')
  const input = `${encode({ ...decode(head), ...header })}.${encode({ ...decode(body), ...claims })}`
  if (by.key) return `${input}.${sign('sha256', Buffer.from(input), ecdsa(by.key)).toString('base64url')}`
  if (by.secret !== undefined) return `${input}.${createHmac('sha256', by.secret).update(input).digest('base64url')}`
  return `${input}.${signature}`
}

/** The public half of a private key, as the PEM text that verifiers hold. */
export const publicPem = (privateKeyPem: string): string =>
  createPublicKey(privateKeyPem).export({ type: 'spki', format: 'pem' }) as string

const ecdsa = (key: string) => ({ key, dsaEncoding: 'ieee-p1363' }) as const
const decode = (part: string): Members => JSON.parse(Buffer.from(part, 'base64url').toString())
const encode = (part: Members): string => Buffer.from(JSON.stringify(part)).toString('base64url')
