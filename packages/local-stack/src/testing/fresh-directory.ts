import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Teardown } from './teardown.ts'

/**
 * An empty directory for the servers of this test. It is removed at the test's end, after they have been stopped, as what
 * is torn down goes in the order in which it was set up, backwards. (tap's `testdir` is removed first.)
 */
export async function freshDirectory(t: Teardown): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'test-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}
