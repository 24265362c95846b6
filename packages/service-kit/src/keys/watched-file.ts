import { readFileSync, statSync } from 'node:fs'
import type { FastifyBaseLogger } from 'fastify'

/**
 * Follows a file that can change while the process runs, such as a key that an operator rotates. The returned function
 * gives the parsed content. It checks the file at most once a second, or immediately with `atOnce`, and reads it only
 * if it has changed. If that fails, the previous content stays in use.
 * @throws the error of the first read or parse
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
      logger.error({ err: error, file }, 'cannot reload a changed file; using its previous content')
    }
  }
  return ({ atOnce = false } = {}): Content => {
    if (atOnce || Date.now() - lookedAt > 1_000) look()
    return content
  }
}

/** Differs after a change of the file and after its replacement. */
function fingerprint(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeNs}` : 'missing'
}
