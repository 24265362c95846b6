import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { changed, copyParts } from '@cqrs/local-stack/testing'
import type { PlantedBug } from './bugs.ts'

/** What a release consists of. */
const parts = [
  ...['packages/contracts', 'packages/telemetry', 'packages/service-kit', 'packages/operator'],
  ...['services/command-api', 'services/projector', 'services/query-api'],
]

/**
 * Builds a release of the code as it is now, with a bug. Only what the bug changes is compiled, and not type-checked,
 * which would take five times as long.
 * @param bug undefined for a release without one
 * @param folder an empty one
 * @returns the folder, for `releases` of `startStack`
 * @throws Error if a text to find does not occur exactly once, or the changed code does not compile
 */
export async function buildCopy(bug: PlantedBug | undefined, folder: string): Promise<string> {
  await copyParts(['tsconfig.base.json', ...parts], folder)
  for (const change of bug?.changes ?? []) {
    const file = join(folder, change.file)
    await writeFile(file, changed(await readFile(file, 'utf8'), change))
  }
  const solution = { files: [], references: parts.map((path) => ({ path })) }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(solution))
  await promisify(execFile)('tsc', ['-b', '--noCheck', folder]).catch(
    ({ stdout, message }: Error & { stdout: string }) => {
      throw new Error(`${bug?.name} does not compile: ${stdout || message}`)
    },
  )
  return folder
}
