import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Response } from 'undici'
import type { Log } from './log.ts'
import { cacheDirectory, makeOnce } from './once.ts'
import { run } from './run.ts'

export type Archive = {
  /** Names the program in the log. */
  name: string
  /** The address of a .tgz or .tar.gz file that has one folder. */
  url: string
  /** The address of a list, as `sha256sum` prints it, with the checksum of that file. */
  sumsUrl: string
  /** A pattern of files that are not needed. */
  without?: string
}

/**
 * Downloads, verifies and unpacks an archive, once for every checkout of the repository. The checksum comes from where
 * the archive comes from: it finds damage, and TLS (by default with the certificates of Node) vouches for the server.
 * @returns the path of what the folder in the archive holds
 * @throws with the address and the reason, in one line. Nothing is left behind.
 */
export async function downloadOnce({ name, url, sumsUrl, without = '' }: Archive, log: Log): Promise<string> {
  const file = basename(new URL(url).pathname)
  const target = join(cacheDirectory, file.replace(/\.t(ar\.)?gz$/, ''))
  await makeOnce(target, async (draft) => {
    const sums = await get(sumsUrl, (response) => response.text())
    log(`${name}: downloading ${url} (once)…`)
    const archive = join(draft, file)
    const sum = await get(url, (response) => save(response, archive, (progress) => log(`${name}: ${progress}`, true)))
    if (!sums.split('\n').some((line) => line.startsWith(sum) && line.trimEnd().endsWith(file)))
      throw new Error(`${url} is damaged or incomplete: its SHA-256 checksum ${sum} is not in ${sumsUrl}`)
    await run('tar', ['-xzf', archive, '-C', draft, '--strip-components=1', `--exclude=${without}`])
    await rm(archive)
  })
  return target
}

async function get<T>(url: string, read: (response: Response) => Promise<T>): Promise<T> {
  const { EnvHttpProxyAgent, fetch } = await import('undici')
  // Node's own fetch does not use the proxy of HTTPS_PROXY. The address of a closed network may not answer at all.
  const dispatcher = new EnvHttpProxyAgent({ connect: { timeout: 5_000 }, headersTimeout: 30_000, bodyTimeout: 60_000 })
  try {
    const response = await fetch(url, { dispatcher, headers: { 'accept-encoding': 'identity' } })
    if (!response.ok) throw new Error(`the answer is ${response.status}`)
    return await read(response)
  } catch (error) {
    throw new Error(`cannot download ${url}: ${reasonOf(error as Error)}`, { cause: error })
  } finally {
    await dispatcher.destroy()
  }
}

/** Writes the body to a file, and returns its SHA-256 checksum. */
async function save(response: Response, file: string, onProgress: (progress: string) => void): Promise<string> {
  const total = Number(response.headers.get('content-length'))
  const hash = createHash('sha256')
  let received = 0
  let shownFrom = 0
  const watched = async function* () {
    const chunks: AsyncIterable<Uint8Array> | [] = response.body ?? []
    for await (const chunk of chunks) {
      hash.update(chunk)
      received += chunk.length
      if (received >= shownFrom) {
        shownFrom = received + (total / 100 || 1e6)
        onProgress(total ? `${Math.floor((100 * received) / total)} % of ${megabytes(total)}` : megabytes(received))
      }
      yield chunk
    }
  }
  await pipeline(watched, createWriteStream(file))
  return hash.digest('hex')
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

// fetch hides what has happened in the cause.
function reasonOf(error: Error): string {
  const { message, cause } = error
  if (!(error instanceof TypeError && cause instanceof Error)) return message
  return cause.message || String((cause as NodeJS.ErrnoException).code)
}
