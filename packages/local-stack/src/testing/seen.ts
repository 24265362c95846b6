import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Records that a test has seen something, for example `getUser 404 user-not-found` or `event UserCreated published`.
 * `npm test` fails where something that is promised is not seen by any test. Without SEEN_DIR, which it sets, nothing
 * is recorded.
 */
export function saw(what: string): void {
  const directory = process.env.SEEN_DIR
  if (!directory || seen.has(what)) return
  seen.add(what)
  appendFileSync(join(directory, String(process.pid)), `${what}\n`)
}

const seen = new Set<string>()

/** Everything that the processes of a test run have recorded in this directory. */
export const readSeen = (directory: string): Set<string> =>
  new Set(readdirSync(directory).flatMap((file) => readFileSync(join(directory, file), 'utf8').trimEnd().split('\n')))
