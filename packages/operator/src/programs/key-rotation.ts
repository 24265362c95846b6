import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { maxAccessTokenLifetimeSeconds } from '@cqrs/contracts'
import { ConfigError, newKey, type PublicJwk, publicJwk } from '@cqrs/service-kit'

type KeyFiles = { signingKeyFile: string; jwksFile: string }
/** `retiredAt` is only in the file and never published: since then the key signs no new tokens. */
type KeyFile = { keys: (PublicJwk & { retiredAt?: string })[] }

/**
 * Step 1 of a rotation: creates the next signing key beside the current one, unless there is one, and publishes its
 * public half. It signs nothing yet, so that every verifier has the time to load it.
 * @returns its kid
 */
export async function addNextKey({ signingKeyFile, jwksFile }: KeyFiles): Promise<string> {
  await writeFile(nextTo(signingKeyFile), newKey(), { mode: 0o600, flag: 'wx' }).catch((error) => {
    if (error.code !== 'EEXIST') throw error
  })
  const next = publicJwk(await readFile(nextTo(signingKeyFile), 'utf8'))
  const published = await readPublished(jwksFile)
  if (!published.keys.some(({ kid }) => kid === next.kid))
    await replaceFile(jwksFile, { keys: [next, ...published.keys] })
  return next.kid
}

/**
 * Step 2: the next key becomes the signing key. The previous one is deleted; its public half stays until its tokens
 * have expired.
 * @throws ConfigError if there is no next key
 */
export async function switchToNextKey({ signingKeyFile, jwksFile }: KeyFiles, now: Date): Promise<void> {
  try {
    await rename(nextTo(signingKeyFile), signingKeyFile)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new ConfigError('there is no next key; run the step `next` first')
  }
  await pruneKeys({ signingKeyFile, jwksFile }, now)
}

/**
 * Step 3, any time later: removes the public keys whose tokens have expired. It also sets `retiredAt` of keys that an
 * interrupted step left without it.
 * @returns the kids that were removed
 */
export async function pruneKeys({ signingKeyFile, jwksFile }: KeyFiles, now: Date): Promise<string[]> {
  const inUse = await kidsOf([signingKeyFile, nextTo(signingKeyFile)])
  const { keys } = await readPublished(jwksFile)
  const marked = keys.map((key) => (inUse.includes(key.kid) ? key : { retiredAt: now.toISOString(), ...key }))
  const isExpired = ({ retiredAt }: KeyFile['keys'][number]) =>
    retiredAt !== undefined && now.getTime() - Date.parse(retiredAt) > keptMs
  const kept = marked.filter((key) => !isExpired(key))
  await replaceFile(jwksFile, { keys: kept })
  return marked.filter(isExpired).map(({ kid }) => kid)
}

/** The maximum lifetime of a token, and five minutes for clock differences. */
const keptMs = (maxAccessTokenLifetimeSeconds + 300) * 1_000

const nextTo = (signingKeyFile: string): string => `${signingKeyFile}.next`

async function kidsOf(files: string[]): Promise<string[]> {
  const pems = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => undefined)))
  return pems.flatMap((pem) => (pem === undefined ? [] : [publicJwk(pem).kid]))
}

async function readPublished(jwksFile: string): Promise<KeyFile> {
  return JSON.parse(await readFile(jwksFile, 'utf8')) as KeyFile
}

/** Replaces the file in one step, so that no reader sees half of it. */
async function replaceFile(file: string, content: object): Promise<void> {
  const draft = `${file}.${process.pid}`
  try {
    await writeFile(draft, `${JSON.stringify(content, null, 2)}\n`)
    await rename(draft, file)
  } finally {
    await rm(draft, { force: true })
  }
}
