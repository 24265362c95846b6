import { cp, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))

/**
 * Copies parts of this repository into a folder, with what is built of them. Links between its packages lead to the
 * copies, because they are relative; all others lead to what is installed.
 * @param parts paths from the repository's root
 */
export async function copyParts(parts: readonly string[], folder: string): Promise<void> {
  const options = { recursive: true, verbatimSymlinks: true, preserveTimestamps: true }
  await Promise.all(parts.map((part) => cp(join(repository, part), join(folder, part), options)))
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
}

/** A change of a source. */
export type SourceChange = {
  /** From the repository's root. */
  file: string
  /** Text that occurs once in the file. */
  find: string
  replace: string
}

/** The source with a change. @throws Error if the text to find does not occur exactly once */
export function changed(source: string, { file, find, replace }: SourceChange): string {
  if (source.split(find).length !== 2) throw new Error(`${file}: this text does not occur exactly once: ${find}`)
  return source.replace(find, () => replace)
}
