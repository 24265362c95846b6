import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { maxAccessTokenLifetimeSeconds } from '@cqrs/contracts'
import { ConfigError, newKey, type PublicJwk, publicJwk } from '@cqrs/service-kit'

type KeyFiles = { signingKeyFile: string; jwksFile: string }
/** In the file a public key has a member more, which is not published: since when it signs no new tokens. */
type Published = { keys: (PublicJwk & { retiredAt?: string })[] }

/**
 * First step of a rotation: makes the next signing key, beside the one in use, and adds its public half to the public
 * keys. Nothing is signed with it yet, so every verifier has the time to learn of it. A next key that is there stays.
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
 * Second step: from now on the next key signs. The former one is deleted; its public half stays for as long as its tokens
 * live.
 * @throws ConfigError where there is no next key
 */
export async function switchToNextKey({ signingKeyFile, jwksFile }: KeyFiles, now: Date): Promise<void> {
  try {
    await rename(nextTo(signingKeyFile), signingKeyFile)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new ConfigError('there is no next key yet: the step before makes it')
  }
  await pruneKeys({ signingKeyFile, jwksFile }, now)
}

/**
 * Last step, any time later: takes out the public keys that signed nothing for longer than a token lives. It also notes
 * since when a key is out of use, where a step that was interrupted has not.
 * @returns the kids that were taken out
 */
export async function pruneKeys({ signingKeyFile, jwksFile }: KeyFiles, now: Date): Promise<string[]> {
  const inUse = await kidsOf([signingKeyFile, nextTo(signingKeyFile)])
  const { keys } = await readPublished(jwksFile)
  const noted = keys.map((key) => (inUse.includes(key.kid) ? key : { retiredAt: now.toISOString(), ...key }))
  const isOver = ({ retiredAt }: Published['keys'][number]) =>
    retiredAt !== undefined && now.getTime() - Date.parse(retiredAt) > keptMs
  const kept = noted.filter((key) => !isOver(key))
  await replaceFile(jwksFile, { keys: kept })
  return noted.filter(isOver).map(({ kid }) => kid)
}

/** The longest life of a token, and five minutes for clocks that differ. */
const keptMs = (maxAccessTokenLifetimeSeconds + 300) * 1_000

const nextTo = (signingKeyFile: string): string => `${signingKeyFile}.next`

async function kidsOf(files: string[]): Promise<string[]> {
  const pems = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => undefined)))
  return pems.flatMap((pem) => (pem === undefined ? [] : [publicJwk(pem).kid]))
}

async function readPublished(jwksFile: string): Promise<Published> {
  return JSON.parse(await readFile(jwksFile, 'utf8')) as Published
}

/** In one step, so that no reader finds half a file. */
async function replaceFile(file: string, content: object): Promise<void> {
  const draft = `${file}.${process.pid}`
  try {
    await writeFile(draft, `${JSON.stringify(content, null, 2)}\n`)
    await rename(draft, file)
  } finally {
    await rm(draft, { force: true })
  }
}
