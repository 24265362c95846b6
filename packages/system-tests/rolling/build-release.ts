import { execFile } from 'node:child_process'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { copyParts } from '@cqrs/local-stack/testing'

const repository = fileURLToPath(new URL('../../..', import.meta.url))
const run = promisify(execFile)
const parts = ['packages/contracts', 'packages/service-kit', 'services/projector', 'services/query-api']

/**
 * Builds projector and query-api of an earlier release from the history of this repository, with the dependencies that
 * are installed. A release is the commit that gave its heading in the changelog a date.
 * @returns the folder
 */
export async function buildRelease(version: string, folder: string): Promise<string> {
  const heading = `## [${version}] - 2`
  const { stdout } = await run('git', ['log', '--format=%H', '-S', heading, '--', 'CHANGELOG.md'], { cwd: repository })
  const commit = stdout.trim().split('\n').at(-1)
  if (!commit) throw new Error(`the history of this clone does not contain release ${version}`)
  const archive = join(folder, 'release.tar')
  await run('git', ['archive', '-o', archive, commit, 'tsconfig.base.json', ...parts], { cwd: repository })
  await run('tar', ['-xf', archive, '-C', folder])
  const links = parts.map((part) => join(part, 'node_modules'))
  await copyParts(links, folder)
  // What service-kit depended on then, telemetry depends on now.
  const [ofTelemetry, ofServiceKit] = ['packages/telemetry/node_modules', 'packages/service-kit/node_modules']
  await cp(join(repository, ofTelemetry), join(folder, ofServiceKit), { recursive: true, verbatimSymlinks: true })
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ files: [], references: parts.map((path) => ({ path })) }),
  )
  await run('tsc', ['-b', folder])
  return folder
}
