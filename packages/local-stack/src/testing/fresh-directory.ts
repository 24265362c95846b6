import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Teardown } from './teardown.ts'

/**
 * An empty directory for the servers of this test. It is removed when the test ends, after the servers have stopped,
 * because teardowns run in reverse order. (The `testdir` of tap is removed first.)
 */
export async function freshDirectory(t: Teardown): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'test-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}
