import { Refusal } from '@cqrs/contracts'
import type { ReadyUser } from '../by-id/user-cache.ts'
import type { UserLookUp } from '../by-id/user-look-up.ts'
import type { AppliedNotices } from './applied-notices.ts'

/**
 * Waits until the read model has this version of a user, or a higher one. An unknown user counts as an older version,
 * because its creation may not be applied yet. So does a tombstone of an older version: the wanted version comes from
 * the write side, which is ahead.
 * @param first the result of the first look-up
 * @param timeoutMs maximum wait, without the time that the database takes
 * @param until aborted when the client disconnects
 * @throws Refusal `read-model-behind` after that time, `rate-limited` if the caller waits too often, `overloaded` if
 * too many callers wait
 */
export async function waitForVersion(
  {
    id,
    version,
    caller,
    first,
  }: { id: string; version: number; caller: string; first: Promise<ReadyUser | undefined> },
  {
    lookUp,
    notices,
    timeoutMs,
    until,
  }: {
    lookUp: Pick<UserLookUp, 'find'>
    notices: Pick<AppliedNotices, 'watch'>
    timeoutMs: number
    until: AbortSignal
  },
): Promise<ReadyUser> {
  const deadline = performance.now() + timeoutMs
  const isThere = (found: ReadyUser | undefined): found is ReadyUser => found !== undefined && found.version >= version

  // The read model has nearly always caught up by now, and no watch is needed.
  const atFirst = await first
  const ahead = version - (atFirst?.version ?? 0)
  if (atFirst && ahead <= 0) return atFirst
  if (ahead > maxAhead) throw new Refusal('read-model-behind')

  const watch = notices.watch(id, version, caller)
  try {
    for (;;) {
      const isLast = until.aborted || performance.now() >= deadline
      const found = await lookUp.find(id, version)
      if (isThere(found)) return found
      if (isLast) throw new Refusal('read-model-behind')
      await watch.noticed(Math.min(pollMs, Math.max(deadline - performance.now(), 0)), until)
    }
  } finally {
    watch.end()
  }
}

/** In case a notice is missed: as often as a client would retry by itself. */
const pollMs = 500

/** A database changes one user some hundred times a second, so a version further ahead is not reached while waiting. */
const maxAhead = 1_000
