import { Refusal } from '@cqrs/contracts'
import type { ReadyUser } from '../by-id/user-cache.ts'
import type { UserLookUp } from '../by-id/user-look-up.ts'
import type { AppliedNotices } from './applied-notices.ts'

/**
 * A user from a version on: what the read model holds as soon as it is of this version or a higher one. A user that it
 * does not have yet is waited for like an older version of one that it has. So is a tombstone of an older version:
 * the version asked for comes from the write side, which knows better.
 * @param first what the first look-up of it has found
 * @param timeoutMs how long it waits at most, beside the time that the database takes
 * @param until aborted when the client has gone
 * @throws Refusal `read-model-behind` past that time, `overloaded` where too many wait already
 */
export async function waitForVersion(
  { id, version, first }: { id: string; version: number; first: Promise<ReadyUser | undefined> },
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

  // Nearly always the read model is there by now; then nothing is watched.
  const atFirst = await first
  if (isThere(atFirst)) return atFirst

  const watch = notices.watch(id, version)
  try {
    for (;;) {
      const isLast = until.aborted || performance.now() >= deadline
      const found = await lookUp.find(id, version)
      if (isThere(found)) return found
      if (isLast) throw new Refusal('read-model-behind')
      await watch.noticed(Math.min(lookAgainMs, Math.max(deadline - performance.now(), 0)), until)
    }
  } finally {
    watch.end()
  }
}

/** For notices that are missed: the pace of a client that would ask again by itself. */
const lookAgainMs = 500
