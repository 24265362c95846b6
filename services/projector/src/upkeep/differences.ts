import { createHash } from 'node:crypto'
import { digestLine } from '@cqrs/contracts'
import type { Comparison } from './comparison.ts'

/**
 * A user whose version differs between the read side and the write side; version 0: the side does not have the user.
 */
export type Difference = {
  id: string
  kind: 'missing' | 'stale' | 'orphaned' | 'ahead'
  readVersion: number
  writeVersion: number
}

type Versions = [id: string, version: number][]

/**
 * Compares count and digest of all users, page by page, so that equal pages transfer no data, and the versions of a
 * page that differs. Users that differ are compared again after the pending events are applied: only a user whose read
 * side has not changed since is a difference and not a delay.
 * @param onPage called with the number of users so far and awaited after each page, to limit the load
 */
export async function findDifferences(
  comparison: Comparison,
  onPage: (seen: number) => Promise<void> | void,
): Promise<Difference[]> {
  const suspects: { after: string; upTo: string | null; differences: Difference[] }[] = []
  let after: string | null = ''
  for (let seen = 0; after !== null; ) {
    const { upTo, count, digest } = await comparison.write.digest(after, pageSize)
    const own = await comparison.read.versions(after, upTo)
    if (own.length !== count || digestOf(own) !== digest) {
      suspects.push({ after, upTo, differences: await differencesIn(comparison, after, upTo) })
    }
    seen += count
    await onPage(seen)
    after = upTo
  }
  if (suspects.every(({ differences }) => differences.length === 0)) return []
  await comparison.settled()
  const confirmed: Difference[] = []
  for (const { after, upTo, differences } of suspects) {
    const before = new Map(differences.map((difference) => [difference.id, difference.readVersion]))
    const now = await differencesIn(comparison, after, upTo)
    confirmed.push(...now.filter(({ id, readVersion }) => before.get(id) === readVersion))
  }
  return confirmed
}

/**
 * Repairs differences through events that command-api publishes again. A user that is ahead is left alone: there the
 * write side has lost something.
 * @returns how many events were published
 */
export async function repairDifferences(
  { write }: Pick<Comparison, 'write'>,
  differences: Difference[],
): Promise<number> {
  const repairable = differences.filter(({ kind }) => kind !== 'ahead')
  let published = 0
  for (let from = 0; from < repairable.length; from += 500) {
    const users = repairable.slice(from, from + 500).map(({ id, readVersion }) => ({ id, readVersion }))
    published += await write.republish(users)
  }
  return published
}

async function differencesIn({ write, read }: Comparison, after: string, upTo: string | null): Promise<Difference[]> {
  // The read side first: an event applied between the two reads makes a user stale for now, not orphaned.
  const shown = new Map(await read.versions(after, upTo))
  const { users, pending } = await write.versions(after, upTo)
  const written = new Map(users)
  const ids = new Set([...written.keys(), ...shown.keys()])
  for (const id of pending) ids.delete(id) // the last event is not published yet
  return [...ids].flatMap((id): Difference[] => {
    const writeVersion = written.get(id) ?? 0
    const readVersion = shown.get(id) ?? 0
    if (writeVersion === readVersion) return []
    return [{ id, readVersion, writeVersion, kind: kindOf(writeVersion, readVersion) }]
  })
}

function kindOf(writeVersion: number, readVersion: number): Difference['kind'] {
  if (writeVersion === 0) return 'orphaned'
  if (readVersion === 0) return 'missing'
  return readVersion < writeVersion ? 'stale' : 'ahead'
}

function digestOf(users: Versions): string {
  const hash = createHash('sha256')
  for (const [id, version] of users) hash.update(digestLine({ id, version }))
  return hash.digest('hex')
}

const pageSize = 1_000
