import { readFileSync, statSync } from 'node:fs'
import type { FastifyBaseLogger } from 'fastify'

/**
 * What a file holds, which may change while the process runs: a key, as an operator rotates it. Returns a function that
 * gives the content, parsed. It looks at the file at most once a second, or at once where the caller is in want of
 * something new, and reads it only if it has changed. Where that fails, what is known stays good.
 * @throws what the first reading or parsing throws
 */
export function watchedFile<Content>(file: string, parse: (text: string) => Content, logger: FastifyBaseLogger) {
  let seen = fingerprint(file)
  let content = parse(readFileSync(file, 'utf8'))
  let lookedAt = Date.now()

  const look = () => {
    lookedAt = Date.now()
    const now = fingerprint(file)
    if (now === seen) return
    seen = now
    try {
      content = parse(readFileSync(file, 'utf8'))
    } catch (error) {
      logger.error({ err: error, file }, 'a file that has changed could not be read again')
    }
  }
  return ({ atOnce = false } = {}): Content => {
    if (atOnce || Date.now() - lookedAt > 1_000) look()
    return content
  }
}

/** Changes with the file, also where another one takes its place. */
function fingerprint(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeNs}` : 'not there'
}
