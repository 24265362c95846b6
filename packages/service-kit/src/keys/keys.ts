import { createHash, createPublicKey, generateKeyPairSync, type JsonWebKey } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '../process/config.ts'

/** A public key as published at /.well-known/jwks.json (RFC 7517). */
export type PublicJwk = { kty: string; crv: string; x: string; y: string; kid: string; use: 'sig'; alg: 'ES256' }

/**
 * Creates `signing-key.pem` (P-256, PKCS #8, readable only by its owner) and `jwks.json` (the public key) in a folder.
 * Existing files are kept.
 */
export async function generateKeyFiles(dir: string): Promise<{ signingKeyFile: string; jwksFile: string }> {
  const signingKeyFile = join(dir, 'signing-key.pem')
  const jwksFile = join(dir, 'jwks.json')
  await mkdir(dir, { recursive: true })
  await writeFile(signingKeyFile, newKey(), { mode: 0o600, flag: 'wx' }).catch(keepExisting)
  const keys = [publicJwk(await readFile(signingKeyFile, 'utf8'))]
  await writeFile(jwksFile, `${JSON.stringify({ keys }, null, 2)}\n`, { flag: 'wx' }).catch(keepExisting)
  return { signingKeyFile, jwksFile }
}

/** The public key of a P-256 key; `kid` is its thumbprint (RFC 7638). @throws ConfigError for any other key */
export function publicJwk(privateKeyPem: string): PublicJwk {
  const { crv, kty, x, y } = exportPublic(privateKeyPem)
  if (kty !== 'EC' || crv !== 'P-256' || !x || !y) throw new ConfigError('JWT_SIGNING_KEY_FILE is not a P-256 key')
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
  return { kty, crv, x, y, kid, use: 'sig', alg: 'ES256' }
}

function exportPublic(privateKeyPem: string): JsonWebKey {
  try {
    return createPublicKey(privateKeyPem).export({ format: 'jwk' })
  } catch {
    throw new ConfigError('JWT_SIGNING_KEY_FILE is not a readable PEM key')
  }
}

/** A new private key on P-256, as PKCS #8 in PEM. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

function keepExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
