import type { VersionOf } from '@cqrs/contracts'
import type { Comparison } from './comparison.ts'

/**
 * A user who differs between the read side and the write side; version 0: the side does not have the user.
 *
 * - `missing`: only the write side has the user
 * - `stale`: the read side has a lower version, or a user who was deleted
 * - `differs`: the same version has another content
 * - `buried`: the read side has the tombstone of a user who lives, at the user's version or above
 * - `orphaned`: only the read side has the user
 * - `ahead`: the read side has a higher version: the write side has lost something
 */
export type Difference = { id: string; kind: Kind; readVersion: number; writeVersion: number }

export const kinds = ['missing', 'stale', 'differs', 'buried', 'orphaned', 'ahead'] as const
export type Kind = (typeof kinds)[number]

/**
 * Compares count and digest of all users, page by page, so that equal pages transfer no data, and each user of a page
 * that differs. Users that differ are compared again after the pending events are applied: only a user whose read side
 * has not changed since is a difference and not a delay. Memory is bounded by a page, however much differs.
 * @param onPage called with the number of users so far and awaited after each page, to limit the load
 */
export async function* findDifferences(
  comparison: Comparison,
  onPage: (seen: number) => Promise<void> | void,
): AsyncGenerator<Difference[]> {
  const { write, read } = comparison
  let seen = 0
  for (let after: string | null = ''; after !== null; ) {
    const page = await write.digest(after, pageSize, read.fields)
    const own = await read.digest(after, page.upTo)
    if (own.count !== page.count || own.digest !== page.digest) yield* differencesIn(comparison, after, page.upTo)
    seen += page.count
    await onPage(seen)
    after = page.upTo
  }
}

/** One side can have any number of users in this range, so it is read in pages of its own. */
async function* differencesIn(
  comparison: Comparison,
  after: string,
  upTo: string | null,
): AsyncGenerator<Difference[]> {
  for (let from: string | null = after; from !== null; ) {
    const { differences, end } = await compareFrom(comparison, from, upTo)
    if (differences.length > 0) {
      await comparison.settled()
      const before = new Map(differences.map(({ id, readVersion }) => [id, readVersion]))
      const again = await compareFrom(comparison, from, end ?? upTo)
      const confirmed = again.differences.filter(({ id, readVersion }) => before.get(id) === readVersion)
      if (confirmed.length > 0) yield confirmed
    }
    from = end
  }
}

/** Compares the users after an id, at most a page of each side. @returns where the next page begins, null: nowhere */
async function compareFrom({ write, read }: Comparison, after: string, upTo: string | null) {
  // The read side first: an event applied between the two reads makes a user stale for now, not orphaned.
  const shown = await read.versions(after, upTo, pageSize)
  const { users: written } = await write.versions(after, upTo, pageSize, read.fields)
  const ends = [shown, written].flatMap((side) => (side.length < pageSize ? [] : [side.at(-1)?.id ?? '']))
  const end = ends.toSorted()[0] ?? null
  const onRead = new Map(shown.map((user) => [user.id, user]))
  const onWrite = new Map(written.map((user) => [user.id, user]))
  const ids = [...new Set([...onWrite.keys(), ...onRead.keys()])].filter((id) => end === null || id <= end)
  const differences = ids.flatMap((id): Difference[] => {
    const [wrote, shows] = [onWrite.get(id), onRead.get(id)]
    const kind = wrote?.pending ? undefined : kindOf(wrote, shows) // the last event is not published yet
    return kind ? [{ id, kind, readVersion: shows?.version ?? 0, writeVersion: wrote?.version ?? 0 }] : []
  })
  return { differences, end: end === upTo ? null : end }
}

/** A tombstone has no content. A user who is deleted on one side and unknown to the other does not differ. */
function kindOf(wrote: VersionOf | undefined, shows: VersionOf | undefined): Kind | undefined {
  if (wrote?.content === undefined && shows?.content === undefined) return undefined
  if (!shows) return 'missing'
  if (!wrote) return 'orphaned'
  if (shows.version < wrote.version) return 'stale'
  if (shows.content === undefined) return 'buried'
  if (shows.version > wrote.version || wrote.content === undefined) return 'ahead'
  return shows.content === wrote.content ? undefined : 'differs'
}

const pageSize = 1_000
